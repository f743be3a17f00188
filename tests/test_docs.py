"""The documents say what the code does."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from lmcache_internal.plugins import ENTRY_POINT_GROUP
from lmcache_internal.settings import PREFIX, Settings
from tests.conformance.differences import as_markdown
from tests.support import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def test_differences_are_printed_from_their_table() -> None:
    assert (ROOT / "docs" / "differences.md").read_text() == as_markdown(), "run `make docs`"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        target, _, anchor = link.partition("#")
        if "://" not in target:
            path = document.parent / target if target else document
            assert path.exists(), link
            assert not anchor or anchor in _anchors(path), link


def _anchors(document: Path) -> list[str]:
    """Where links may lead within a document: its headings, written as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("name", [field for field in Settings.__dataclass_fields__ if field != "include_indices"])
def test_every_setting_is_in_the_readme(name: str) -> None:
    assert f"{PREFIX}{name}`" in (ROOT / "README.md").read_text()


def test_entry_points_are_those_of_the_code() -> None:
    declared = (ROOT / "setup.py").read_text()
    assert "vllm.general_plugins" in declared
    assert ENTRY_POINT_GROUP == "lmcache_internal.blueprints"
    for point in entry_points(group="vllm.general_plugins"):
        if point.name == "lmcache_internal":
            assert callable(point.load())
