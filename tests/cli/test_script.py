"""`script run`: one file, each server's answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import DEAD, HANGING, Fleet


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "script.py"


def test_what_it_prints_comes_before_its_result(fleet: Fleet, file: Path) -> None:
    file.write_text("print('seen')\nresult = app.state.lmcache_adapter.lmcache_engine.metadata.worker_id")
    # The engine prints it, too: here, in the same process.
    assert fleet.run("script", "run", str(file), "--index", "3").stdout == "seen\n" + "seen\n2\n"


def test_several_servers_must_be_named(fleet: Fleet, file: Path) -> None:
    file.write_text("result = 1")
    result = fleet.run("script", "run", str(file))
    assert result.exit_code == 2
    assert "Which of the 5 servers? Say --all" in result.stderr


def test_each_server_answers_for_itself(ailing: Fleet, file: Path) -> None:
    file.write_text("result = app.state.lmcache_adapter.lmcache_engine.metadata.worker_id")
    result = ailing.run("script", "run", str(file), "--all", "--json", "--timeout", "2")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [entry["index"] for entry in found if not entry["ok"]] == [0, DEAD, HANGING]
    assert "no attribute 'metadata'" in found[0]["error"]  # A scheduler has no engine.
    assert found[1]["data"]["result"] == 0
    assert found[3]["data"]["result"] == 2


def test_a_script_that_fails_shows_where(fleet: Fleet, file: Path) -> None:
    file.write_text("print('before')\n1/0")
    result = fleet.run("script", "run", str(file), "--index", "1")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == "before"
    assert "HTTP 500: ZeroDivisionError: division by zero" in result.stderr
    assert "line 2, in <module>" in result.stderr


def test_a_file_that_is_not_there_is_a_usage_error(fleet: Fleet, file: Path) -> None:
    assert fleet.run("script", "run", str(file), "--index", "1").exit_code == 2
