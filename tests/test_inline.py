"""What the server's loop answers itself: the cheapest requests, and nothing that could hold it up."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.inline import inline_paths
from lmcache_internal.revisions import history_of
from lmcache_internal.security.access import Access
from lmcache_internal.security.limiter import FAILURES
from lmcache_internal.security.tokens import new_token, write_token_file
from tests.support import connect, fetch, in_thread, make_manager, server_values

PLUGIN = '''
"""Who answers."""

import threading
import time
from flask import Blueprint, Response
from lmcache_internal.api import operation

router = Blueprint("who", __name__)


@router.get("/who/inline")
@operation(doing="answer", cheap=True, inline=True)
def inline() -> str:
    return threading.current_thread().name


@router.get("/who/pool")
@operation(doing="answer", cheap=True)
def pool() -> str:
    return threading.current_thread().name


@router.post("/who/inline")
@operation(doing="answer", cheap=True)
def post() -> str:
    return threading.current_thread().name


@router.get("/who/sleeps")
@operation(doing="sleep", cheap=True)
def sleeps() -> str:
    time.sleep(0.7)
    return "slept"


@router.get("/who/raises")
@operation(doing="raise", cheap=True, inline=True)
def raises() -> str:
    raise RuntimeError(threading.current_thread().name)


@router.get("/who/much")
@operation(doing="send much", cheap=True, inline=True)
def much() -> Response:
    return Response(b"x" * (1 << 20))
'''


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "who_api.py").write_text(PLUGIN)
    return plugins


@pytest.fixture(params=["tcp", "unix"])
def served(request: pytest.FixtureRequest, tmp_path: Path, directory: Path) -> Iterator[InternalAPIServer]:
    values = server_values(request.param, tmp_path)
    extra = {"internal_api_server_plugin_dirs": [str(directory)]}
    with make_manager(extra_config=extra, **values) as manager, InternalAPIServer(manager) as server:
        yield server


def thread_of(server: InternalAPIServer, path: str, method: str = "GET") -> str:
    status, body = fetch(server, path, method)
    assert status == 200, body
    return str(json.loads(body))


def test_the_loop_answers_what_is_declared_inline_and_no_more(served: InternalAPIServer) -> None:
    assert thread_of(served, "/who/inline").startswith("internal-api-server:")
    assert thread_of(served, "/who/inline?x=1").startswith("internal-api-server:")
    assert thread_of(served, "/who/pool").startswith("waitress-")
    assert thread_of(served, "/who/inline", "POST").startswith("waitress-")


def test_it_answers_while_every_thread_is_busy(served: InternalAPIServer) -> None:
    busy = [in_thread(lambda: fetch(served, "/who/sleeps")) for _ in range(80)]
    time.sleep(0.2)
    began = time.monotonic()
    assert thread_of(served, "/who/inline").startswith("internal-api-server:")
    assert time.monotonic() - began < 0.4
    for thread, answers in busy:
        thread.join()
        assert answers[0][0] == 200


def test_a_failure_is_answered_by_the_pool_and_logged_once(
    served: InternalAPIServer, caplog: pytest.LogCaptureFixture
) -> None:
    status, body = fetch(served, "/who/raises")
    assert status == 500
    assert json.loads(body)["message"].startswith("waitress-")
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert thread_of(served, "/who/inline").startswith("internal-api-server:")


def test_pipelined_requests_are_answered_in_order(served: InternalAPIServer) -> None:
    paths = ["/who/inline", "/who/pool", "/who/inline", "/who/raises", "/who/inline", "/who/inline"] * 10
    with connect(served) as client:
        client.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode() for path in paths))
        received = b""
        while received.count(b"HTTP/1.1 ") < len(paths) or not received.endswith((b'"', b"}")):
            received += client.recv(65536)
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"500" if path == "/who/raises" else b"200" for path in paths]
    assert all(b"waitress-" in answer for answer, path in zip(answers, paths, strict=True) if path == "/who/pool")


def test_a_client_that_reads_nothing_holds_up_nobody(served: InternalAPIServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(connect(served))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /who/much HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
        for _ in range(20):
            began = time.monotonic()
            thread_of(served, "/who/inline")
            assert time.monotonic() - began < 1


def test_a_head_request_has_no_body(served: InternalAPIServer) -> None:
    with connect(served) as client:
        client.sendall(b"HEAD /who/inline HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")


def test_who_is_refused_is_audited_once_and_not_by_the_loop(
    tmp_path: Path, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, entry = new_token("reader", Access.VIEWER)
    write_token_file(tmp_path / "tokens.yaml", [entry])
    extra = {
        "internal_api_server_plugin_dirs": [str(directory)],
        "internal_api_server_token_file": str(tmp_path / "tokens.yaml"),
    }
    values = server_values("tcp", tmp_path)
    with make_manager(extra_config=extra, **values) as manager, InternalAPIServer(manager) as server:
        with caplog.at_level(logging.INFO, "lmcache_internal.audit"):
            assert fetch(server, "/who/inline")[0] == 401
            assert fetch(server, "/who/inline", headers={"Authorization": "Bearer lmci_wrong"})[0] == 401
            assert fetch(server, "/who/inline", headers={"Host": "evil.example"})[0] == 403
        lines = [record for record in caplog.records if record.name == "lmcache_internal.audit"]
        assert len(lines) == 3
        assert all((record.threadName or "").startswith("waitress-") for record in lines)
        status, body = fetch(server, "/who/inline", headers={"Authorization": f"Bearer {token}"})
        assert status == 200
        assert b"internal-api-server:" in body


def test_a_wrong_token_counts_once(tmp_path: Path) -> None:
    _, entry = new_token("reader", Access.VIEWER)
    write_token_file(tmp_path / "tokens.yaml", [entry])
    values = server_values("tcp", tmp_path)
    extra = {"internal_api_server_token_file": str(tmp_path / "tokens.yaml")}
    with make_manager(extra_config=extra, **values) as manager, InternalAPIServer(manager) as server:
        wrong = {"Authorization": "Bearer lmci_wrong"}
        statuses = [fetch(server, "/lmc_version", headers=wrong)[0] for _ in range(FAILURES + 1)]
    assert statuses == [401] * FAILURES + [429]


def test_what_is_declared_inline_waits_for_no_change_that_is_under_way(served: InternalAPIServer) -> None:
    assert served.app is not None
    manager = served.app.state.lmcache_adapter
    history = history_of(manager)
    paths = sorted(path for path in inline_paths(served.app) if not path.startswith("/who"))
    assert paths == ["/commit_id", "/conf", "/lmc_version", "/meta", "/metrics", "/threads", "/version"]
    with history._lock, contextlib.ExitStack() as stack:
        for lane in served.app.lanes.values():
            stack.enter_context(lane._lock)
        for path in [*paths, "/conf?details=true"]:
            began = time.monotonic()
            assert fetch(served, path)[0] == 200
            assert time.monotonic() - began < 1, path
