"""Two builds of the last commit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The directories of two builds, made with different umasks, time zones and temporary directories."""
    made = []
    for number in range(2):
        directory = tmp_path_factory.mktemp("release")
        (directory / "tmp").mkdir()
        environment = os.environ | {"TMPDIR": str(directory / "tmp"), "TZ": f"UTC-{number * 5}"}
        subprocess.run(
            [sys.executable, "-m", "release", "--dist", directory / "dist"],
            cwd=ROOT,
            env=environment,
            umask=0o77 if number else 0o02,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        made.append(directory / "dist")
    return made
