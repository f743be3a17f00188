"""Each benchmark runs, with one very short round; the figures are not meaningful."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks.questions import QUESTIONS
from benchmarks.results import Result
from benchmarks.without import PARTS
from tests.support import ROOT

pytestmark = pytest.mark.skipif(version("lmcache") != "0.5.6", reason="the benchmarks compare with LMCache 0.5.6")

ONE_SIDED = ("turned away", "per poll")


@pytest.mark.parametrize("question", QUESTIONS)
def test_benchmark_measures_both_servers(question: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", str(tmp_path), question]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    result = Result.parse((tmp_path / f"{question}.json").read_text())
    assert result.title in done.stdout
    assert result.rows
    for row in result.rows:
        if not row.name.endswith(ONE_SIDED):
            assert len(row.lmcache) == len(row.ours) == 1, row.name


def test_every_part_can_be_taken_out() -> None:
    command = [sys.executable, "-m", "benchmarks.ablation", "--quick"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(f"| `{part}` |" in done.stdout or f"| {part} |" in done.stdout for part in PARTS)
