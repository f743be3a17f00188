"""A release installs without a network, and with the command of the Containerfile."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.deploy.test_containers import instructions
from tests.support import ROOT

NO_NETWORK = ["unshare", "--net", "--map-root-user"]


def _has_namespaces() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*NO_NETWORK, "true"], check=False).returncode == 0


@pytest.mark.skipif(not _has_namespaces(), reason="needs unshare, and user namespaces")
def test_a_wheelhouse_installs_without_a_network(releases: list[Path], tmp_path: Path) -> None:
    wheel = next(releases[0].glob("*.whl"))
    house, target = tmp_path / "wheelhouse", tmp_path / "venv"
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "download", "--dest", house, f"{wheel}[cli,docs]"], check=True)
    venv.create(target, with_pip=True)
    offline = {**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""}
    pip_there = str(target / "bin" / "pip")
    install = [*NO_NETWORK, pip_there, "install", "--quiet", "--no-index", "--find-links", str(house)]
    subprocess.run([*install, "lmcache-internal[cli,docs]"], env=offline, check=True)
    subprocess.run([target / "bin" / "lmcache-internal", "serve", "--help"], check=True, stdout=subprocess.DEVNULL)
    (house / wheel.name).unlink()
    again = subprocess.run(
        [*install, "--force-reinstall", "lmcache-internal"], env=offline, check=False, capture_output=True
    )
    assert again.returncode != 0, "it was not installed from the wheelhouse"


def test_the_command_of_the_containerfile_installs(releases: list[Path], tmp_path: Path) -> None:
    wheels, target = tmp_path / "wheels", tmp_path / "venv"
    wheels.mkdir()
    shutil.copy(next(releases[0].glob("*.whl")), wheels)
    venv.create(target, with_pip=True)
    command = dict(instructions())["RUN"].replace("/tmp/wheels", str(wheels))
    path = f"{target / 'bin'}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], cwd=ROOT, env={**os.environ, "PATH": path}, check=True, capture_output=True)
    done = subprocess.run(
        [target / "bin" / "lmcache-internal", "--version"], check=True, capture_output=True, text=True
    )
    assert "0.1.0" in done.stdout
    assert not wheels.exists()
