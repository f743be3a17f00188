"""`script run`: one file, each server's answer."""

from __future__ import annotations

import importlib
import json
import threading
from functools import partial
from pathlib import Path

import pytest

from lmcache_internal.cli.client import Client
from lmcache_internal.cli.targets import Target
from tests.cli.conftest import DEAD, HANGING, Fleet
from tests.support import eventually, in_thread


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
    assert "This changes 5 servers. Add --all" in result.stderr


def test_each_server_answers_for_itself(ailing: Fleet, file: Path) -> None:
    file.write_text("result = app.state.lmcache_adapter.lmcache_engine.metadata.worker_id")
    result = ailing.run("script", "run", str(file), "--all", "--json", "--timeout", "4")
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


def test_ranks_that_share_a_process_run_it_one_after_another(
    fleet: Fleet, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module("lmcache_internal.cli.script"), "BUSY_SECONDS", 60.0)
    file.write_text("n = 0\nfor _ in range(2_000_000): n += 1\nresult = n")
    result = fleet.run("script", "run", str(file), "--all", "--json")
    assert result.exit_code == 0, result.output
    assert [entry["data"]["result"] for entry in json.loads(result.stdout)] == [2_000_000] * 5


def test_a_process_that_stays_busy_is_told(fleet: Fleet, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("lmcache_internal.cli.script"), "BUSY_SECONDS", 0.5)
    release = threading.Event()

    def occupy(index: int) -> None:
        with Client(Target(fleet.url(index)), None, 30) as client:
            client.json("POST", "/run_script", files={"script": ("wait.py", b"app.state.release.wait(20)")})

    for index in (0, 1):
        fleet.apps[index].state.release = release
    busy = [in_thread(partial(occupy, index)) for index in (0, 1)]
    assert eventually(lambda: sum(thread.name.startswith("call: <script") for thread in threading.enumerate()) == 2)
    file.write_text("result = 1")
    result = fleet.run("script", "run", str(file), "--index", "2")
    release.set()
    for thread, _ in busy:
        thread.join()
    assert result.exit_code == 1
    assert "HTTP 503: Cannot run the script now: 2 may run at once in this process" in result.stderr
