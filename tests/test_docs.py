"""The documents say what the code does."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from lmcache_internal.plugins.sources import ENTRY_POINT_GROUP
from lmcache_internal.settings import Settings
from tests.conformance import differences
from tests.docs import endpoints, runbook, settings
from tests.support import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("printer", [differences, endpoints, runbook, settings], ids=lambda module: module.__name__)
def test_what_is_printed_from_the_code_is_up_to_date(printer: ModuleType) -> None:
    document = f"{printer.__name__.rpartition('.')[2]}.md"
    assert (ROOT / "docs" / document).read_text() == printer.as_markdown(), "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        target, _, anchor = link.partition("#")
        if "://" not in target:
            path = document.parent / target if target else document
            assert path.exists(), link
            assert not anchor or anchor in _anchors(path), link


@pytest.mark.parametrize("document", sorted(ROOT.glob("docs/*.md")), ids=lambda path: path.name)
def test_the_readme_leads_to_every_document(document: Path) -> None:
    assert f"](docs/{document.name})" in (ROOT / "README.md").read_text()


def _anchors(document: Path) -> list[str]:
    """Where links may lead within a document: its headings, written as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


OTHERS: dict[type, Callable[[Any], Any]] = {
    bool: lambda default: not default,
    str: lambda _: "x",
    int: lambda _: 7,
    float: lambda _: 7.0,
    tuple: lambda _: ["x"],
}


@pytest.mark.parametrize("name", Settings.__struct_fields__)
def test_every_setting_counts_where_it_is_documented(name: str) -> None:
    default = getattr(Settings(), name)
    other: Any = {"max_access": "viewer", "public_port_start": 7, "include_indices": [7]}.get(name)
    if other is None:
        other = "x" if default is None else OTHERS[type(default)](default)
    key = settings.key_of(name)
    assert f"| `{key}` |" in (ROOT / "docs" / "settings.md").read_text()
    parent, _, own = key.rpartition(".")
    config = SimpleNamespace(**{parent: {own: other}} if parent else {own: other})
    assert getattr(Settings.of(config), name) != default


def test_entry_points_are_those_of_the_code() -> None:
    declared = (ROOT / "setup.py").read_text()
    assert "vllm.general_plugins" in declared
    assert ENTRY_POINT_GROUP == "lmcache_internal.blueprints"
    for point in entry_points(group="vllm.general_plugins"):
        if point.name == "lmcache_internal":
            assert callable(point.load())
