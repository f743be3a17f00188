"""How troubles and collectors are found: by the names of their files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal.diagnostics.doctor import catalogue
from lmcache_internal.diagnostics.doctor.catalogue import troubles
from lmcache_internal.diagnostics.doctor.collectors import fields

FILE = """
from lmcache_internal.diagnostics.doctor import Trouble

trouble = Trouble(
    code="{code}", group="mode", title="T", severity="notice", meaning="M.", confirm="C.", next_step="N."
)
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory whose files are in the catalogue, too."""
    monkeypatch.setattr(catalogue, "__path__", [*catalogue.__path__, str(tmp_path)])
    troubles.cache_clear()
    yield tmp_path
    troubles.cache_clear()


def test_a_new_file_is_in_the_catalogue(directory: Path) -> None:
    (directory / "tests_new_trouble.py").write_text(FILE.format(code="tests-new-trouble"))
    assert troubles()["tests-new-trouble"].title == "T"


@pytest.mark.parametrize("text", ["", FILE.format(code="other")])
def test_a_file_must_declare_a_trouble_with_its_own_name(directory: Path, text: str) -> None:
    name = f"tests_bad_trouble_{len(text)}"
    (directory / f"{name}.py").write_text(text)
    with pytest.raises(ImportError, match=rf'must declare `trouble = Trouble\(code="{name.replace("_", "-")}"'):
        troubles()


def test_each_fact_that_a_rule_needs_is_documented() -> None:
    for trouble in troubles().values():
        for group, _, name in (path.partition(".") for path in trouble.needs):
            assert "*" in fields()[group] or name in fields()[group], (trouble.code, group, name)
