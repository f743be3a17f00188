"""Each file that users copy says at its top how it was verified."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import ROOT

DEPLOY = ROOT / "deploy"
COPIED = {".yaml", ".yml", ".conf", ".service", ""}
FILES = [
    path
    for path in sorted(DEPLOY.rglob("*"))
    if path.is_file() and path.suffix in COPIED and "tests" not in path.relative_to(DEPLOY).parts
]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_the_head_says_how_the_file_was_verified(path: Path) -> None:
    lines = path.read_text().splitlines()
    head = [line for line in lines[:25] if line.startswith("#")]
    assert any("erified" in line for line in head), f"{path} does not say how it was verified"


def test_dashboards_are_json() -> None:
    for path in DEPLOY.rglob("*.json"):
        json.loads(path.read_text())
