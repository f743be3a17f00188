"""`routes` and `completion`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from tests.cli.conftest import Fleet, StartFleet
from tests.support import ROOT, make_manager


def test_every_endpoint_once_with_its_level(fleet: Fleet) -> None:
    result = fleet.run("routes")
    assert result.exit_code == 0
    assert [line.split()[:3] for line in result.stdout.splitlines() if line.split()[1] == "/conf"] == [
        ["GET", "/conf", "viewer"],
        ["POST", "/conf", "admin"],
    ]
    assert "(only " not in result.stdout


def test_what_not_all_have_says_who_has_it(start_fleet: StartFleet, tmp_path: Path) -> None:
    fleet = start_fleet(without=(1, 2, 3, 4))
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "extra_api.py").write_text(
        "from flask import Blueprint\nrouter = Blueprint('extra', __name__)\n"
        "@router.get('/extra')\ndef extra():\n    '''Something more.'''\n    return 'x'\n"
    )
    values = fleet.values | {"extra_config": {"internal_api_server_plugin_dirs": [str(plugins)]}}
    with make_manager(worker_id=0, **values) as manager, InternalAPIServer(manager):
        result = fleet.run("routes", "--index", "0,1")
    assert "Something more. (only worker 0)" in result.stdout
    assert result.stdout.count("(only ") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_the_shell(shell: str) -> None:
    result = CliRunner().invoke(main, ["completion", shell])
    assert result.exit_code == 0
    assert "_LMCACHE_INTERNAL_COMPLETE" in result.stdout


def test_bash_completes_commands(tmp_path: Path) -> None:
    command = tmp_path / "lmcache-internal"
    command.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m lmcache_internal.cli "$@"\n')
    command.chmod(0o755)
    script = (
        'source <(lmcache-internal completion bash)\nCOMP_WORDS=(lmcache-internal "sta")\nCOMP_CWORD=1\n'
        '_lmcache_internal_completion lmcache-internal\necho "${COMPREPLY[@]}"'
    )
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    completed = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert completed.stdout == "status\n"
