"""A small model for vLLM, created for the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.vllm.deployment import VENV


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("model")
    maker = Path(__file__).with_name("make_model.py")
    made = subprocess.run(
        [VENV / "bin" / "python", maker, directory], capture_output=True, text=True, timeout=300, check=False
    )
    assert made.returncode == 0, made.stderr
    return directory
