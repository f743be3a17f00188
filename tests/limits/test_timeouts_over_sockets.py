"""A call that never returns, over a port and over a Unix socket: the server keeps serving."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import EmbeddedManager, InternalAPIServer
from tests.support import eventually, fetch, in_thread, make_manager, run_script, server_values

QUICK = ("/lmc_version", "/metrics", "/threads", "/conf", "/freeze/status")


@pytest.fixture
def release(manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An event; until it is set, listing the backends blocks, as it can after closing a backend of LMCache."""
    event = threading.Event()

    def blocking() -> dict[str, str]:
        event.wait(30)
        return {"late": "answer"}

    monkeypatch.setattr(manager.require_engine().storage_manager, "list_backends", blocking)
    yield event
    event.set()
    assert eventually(lambda: not calls("list backends"))


def calls(name: str) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(f"call: {name}")]


def assert_quick(server: InternalAPIServer) -> None:
    for path in QUICK:
        started = time.monotonic()
        assert fetch(server, path)[0] == 200
        assert time.monotonic() - started < 10, path


def test_eight_stuck_readers_do_not_delay_other_requests(server: InternalAPIServer, release: threading.Event) -> None:
    stuck = [in_thread(lambda: fetch(server, "/backends")) for _ in range(8)]
    assert eventually(lambda: len(calls("list backends")) == 8)
    assert_quick(server)
    status, _ = fetch(server, "/freeze/enable", "PUT")
    assert status == 200
    assert all(not results for _, results in stuck)
    release.set()
    for thread, _ in stuck:
        thread.join()
    assert [results[0] for _, results in stuck] == [(200, b'{"late":"answer"}')] * 8


def test_stuck_requests_get_504_and_the_next_is_refused(
    server: InternalAPIServer, manager: EmbeddedManager, release: threading.Event
) -> None:
    manager.config.extra_config = {"internal_api_server_call_timeout": 0.3}
    stuck = [in_thread(lambda: fetch(server, "/backends")) for _ in range(8)]
    for thread, _ in stuck:
        thread.join()
    assert [results[0][0] for _, results in stuck] == [504] * 8
    assert json.loads(stuck[0][1][0][1]).keys() == {"error", "message"}
    status, body = fetch(server, "/backends")
    assert status == 504
    assert "another was not started" in json.loads(body)["message"]
    assert len(calls("list backends")) == 8
    assert_quick(server)
    assert b"call: list backends (stuck since" in fetch(server, "/threads?name=stuck")[1]
    assert b"\nlmcache_internal:stuck_calls 8.0\n" in fetch(server, "/metrics")[1]
    assert run_script(server, b"result = 6 * 7") == (200, b"42")
    release.set()
    assert eventually(lambda: not calls("list backends"))
    assert fetch(server, "/backends") == (200, b'{"late":"answer"}')
    assert b"\nlmcache_internal:stuck_calls 0.0\n" in fetch(server, "/metrics")[1]


PLUGIN = '''
import asyncio
import sys
from flask import Blueprint
from lmcache_internal.api import operation

router = Blueprint("leaving", __name__)

@router.get("/exit")
@operation(action="leave")
def leave() -> None:
    """Raise what ends a process."""
    sys.exit("good bye")

@router.get("/exit-cheaply")
@operation(action="leave", cheap=True)
def leave_cheaply() -> None:
    """Raise it in the request's own thread."""
    sys.exit("good bye")

@router.get("/cancel")
@operation(action="leave")
def cancel() -> None:
    """Raise what is no Exception either."""
    raise asyncio.CancelledError("good bye")
'''


@pytest.fixture
def leaving(tmp_path: Path) -> Iterator[InternalAPIServer]:
    (tmp_path / "leaving_api.py").write_text(PLUGIN)
    values: dict[str, Any] = server_values("tcp", tmp_path)
    values["extra_config"] = {"internal_api_server_plugin_dirs": [str(tmp_path)]}
    with make_manager(**values) as manager, InternalAPIServer(manager) as running:
        yield running


@pytest.mark.parametrize("path", ["/exit", "/exit-cheaply", "/cancel"])
def test_exceptions_that_end_a_process_are_answered(leaving: InternalAPIServer, path: str) -> None:
    status, body = fetch(leaving, path)
    assert (status, json.loads(body)) == (500, {"error": "Failed to leave", "message": "good bye"})
    assert fetch(leaving, "/lmc_version")[0] == 200
