"""Requests that the event loop serves itself: the cheapest ones, and none that could block it."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.configuration.history import history_of
from lmcache_internal.limits.bulkheads import MAX_REQUESTS_PER_VIEW
from lmcache_internal.limits.change_lock import change_lock_of
from lmcache_internal.roles import Role
from lmcache_internal.security.limiter import FAILURES
from lmcache_internal.security.token import new_token
from lmcache_internal.security.token_file import write_tokens_file
from lmcache_internal.serving.inline import inline_paths
from tests.support import connect, eventually, fetch, in_thread, make_manager, server_values

PLUGIN = '''
"""Who answers."""

import threading
from flask import Blueprint, Response
from lmcache_internal.api import internal_app, operation

router = Blueprint("who", __name__)


@router.get("/who/inline")
@operation(action="answer", cheap=True, inline=True)
def inline() -> str:
    return threading.current_thread().name


@router.get("/who/pool")
@operation(action="answer", cheap=True)
def pool() -> str:
    return threading.current_thread().name


@router.post("/who/inline")
@operation(action="answer", cheap=True)
def post() -> str:
    return threading.current_thread().name


@router.get("/who/waits")
@operation(action="wait", cheap=True)
def waits() -> str:
    internal_app().state.begun.release()
    internal_app().state.released.wait(30)
    return "waited"


@router.get("/who/raises")
@operation(action="raise", cheap=True, inline=True)
def raises() -> str:
    raise RuntimeError(threading.current_thread().name)


@router.get("/who/much")
@operation(action="send much", cheap=True, inline=True)
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


def thread_of(server: InternalAPIServer, path: str, method: str = "GET", **options: Any) -> str:
    status, answer = fetch(server, path, method, **options)
    assert status == 200, answer
    return str(json.loads(answer))


def test_the_event_loop_serves_only_inline_views(served: InternalAPIServer) -> None:
    assert thread_of(served, "/who/inline").startswith("internal-api-server:")
    assert thread_of(served, "/who/pool") == "call: GET /who/pool"
    assert thread_of(served, "/who/inline?x=1").startswith("waitress-")
    assert thread_of(served, "/who/inline", headers={"Authorization": "Bearer x"}).startswith("waitress-")
    assert thread_of(served, "/who/inline", body=b"{}").startswith("waitress-")
    assert thread_of(served, "/who/inline", "POST") == "call: POST /who/inline"


def test_it_serves_while_all_worker_threads_are_busy(served: InternalAPIServer) -> None:
    assert served.app is not None
    begun = served.app.state.begun = threading.Semaphore(0)
    released = served.app.state.released = threading.Event()
    busy = [in_thread(lambda: fetch(served, "/who/waits")) for _ in range(MAX_REQUESTS_PER_VIEW)]
    try:
        assert all(begun.acquire(timeout=10) for _ in busy)
        assert thread_of(served, "/who/inline").startswith("internal-api-server:")
        assert not any(answers for _, answers in busy)
    finally:
        released.set()
    for thread, answers in busy:
        thread.join()
        assert answers[0][0] == 200


def test_an_exception_in_the_event_loop_is_answered_there_and_logged_in_another_thread(
    served: InternalAPIServer,
) -> None:
    written: list[tuple[str, str]] = []

    class Writing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.append((threading.current_thread().name, record.getMessage()))

    handler = Writing(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        status, body = fetch(served, "/who/raises")
        assert status == 500
        assert json.loads(body)["message"].startswith("internal-api-server:")
        assert eventually(lambda: bool(written))
    finally:
        logging.getLogger().removeHandler(handler)
    assert len(written) == 1
    assert written[0][0] == "internal-api-server log"
    assert thread_of(served, "/who/inline").startswith("internal-api-server:")


def test_a_log_handler_that_blocks_does_not_block_the_event_loop(served: InternalAPIServer) -> None:
    release = threading.Event()

    class Blocking(logging.Handler):
        def emit(self, _: logging.LogRecord) -> None:
            release.wait(10)

    handler = Blocking(logging.ERROR)
    logging.getLogger().addHandler(handler)
    try:
        for _ in range(20):
            began = time.monotonic()
            assert fetch(served, "/who/raises")[0] == 500
            assert fetch(served, "/who/inline")[0] == 200
            assert time.monotonic() - began < 5
    finally:
        release.set()
        logging.getLogger().removeHandler(handler)


def test_pipelined_requests_are_answered_in_order(served: InternalAPIServer) -> None:
    paths = ["/who/inline", "/who/pool", "/who/inline", "/who/raises", "/who/inline", "/who/inline"] * 10
    with connect(served) as client:
        client.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode() for path in paths))
        received = b""
        while received.count(b"HTTP/1.1 ") < len(paths) or not received.endswith((b'"', b"}")):
            received += client.recv(65536)
    answers = received.split(b"HTTP/1.1 ")[1:]
    assert [answer[:3] for answer in answers] == [b"500" if path == "/who/raises" else b"200" for path in paths]
    assert all(
        b"call: GET /who/pool" in answer for answer, path in zip(answers, paths, strict=True) if path == "/who/pool"
    )


def test_a_client_that_reads_nothing_does_not_delay_others(served: InternalAPIServer) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            client = stack.enter_context(connect(served))
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(b"GET /who/much HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40)
        for _ in range(20):
            began = time.monotonic()
            thread_of(served, "/who/inline")
            assert time.monotonic() - began < 5


def test_a_head_request_has_no_body(served: InternalAPIServer) -> None:
    with connect(served) as client:
        client.sendall(b"HEAD /who/inline HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.endswith(b"\r\n\r\n")


def test_a_refusal_is_audited_once_and_not_written_by_the_event_loop(
    tmp_path: Path, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, entry = new_token("reader", Role.VIEWER)
    write_tokens_file(tmp_path / "tokens.yaml", [entry])
    extra = {
        "internal_api_server_plugin_dirs": [str(directory)],
        "internal_api_server_tokens_file": str(tmp_path / "tokens.yaml"),
        "internal_api_server_audit_file": str(tmp_path / "audit.jsonl"),
    }
    values = server_values("tcp", tmp_path)
    with make_manager(extra_config=extra, **values) as manager, InternalAPIServer(manager) as server:
        with caplog.at_level(logging.INFO, "lmcache_internal.audit"):
            assert fetch(server, "/who/inline")[0] == 401
            assert fetch(server, "/who/inline", headers={"Authorization": "Bearer lmci_wrong"})[0] == 401
            assert fetch(server, "/who/inline", headers={"Host": "evil.example"})[0] == 403
            assert eventually(lambda: len(lines(caplog)) == 3)
        status, _ = fetch(server, "/who/inline", headers={"Authorization": f"Bearer {token}"})
        assert status == 200
    written = (tmp_path / "audit.jsonl.refused").read_text().splitlines()
    assert sorted(json.loads(line)["status"] for line in written) == [401, 401, 403]
    assert sorted(written) == sorted(record.getMessage() for record in lines(caplog))


def lines(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name == "lmcache_internal.audit"]


def test_a_wrong_token_counts_once(tmp_path: Path) -> None:
    _, entry = new_token("reader", Role.VIEWER)
    write_tokens_file(tmp_path / "tokens.yaml", [entry])
    values = server_values("tcp", tmp_path)
    extra = {"internal_api_server_tokens_file": str(tmp_path / "tokens.yaml")}
    with make_manager(extra_config=extra, **values) as manager, InternalAPIServer(manager) as server:
        wrong = {"Authorization": "Bearer lmci_wrong"}
        statuses = [fetch(server, "/lmc_version", headers=wrong)[0] for _ in range(FAILURES + 1)]
    assert statuses == [401] * FAILURES + [429]


INLINE = ["/commit_id", "/conf", "/livez", "/lmc_version", "/meta", "/version"]
MAX_SECONDS = 0.002


def test_inline_views_acquire_no_lock_of_the_engine(served: InternalAPIServer) -> None:
    assert served.app is not None
    manager = served.app.state.lmcache_adapter
    history = history_of(manager)
    paths = sorted(path for path in inline_paths(served.app) if not path.startswith("/who"))
    assert paths == INLINE
    with history._lock, change_lock_of(manager).hold("test"), contextlib.ExitStack() as stack:
        for limit in served.app.limits.values():
            stack.enter_context(limit._lock)
        for path in paths:
            began = time.monotonic()
            assert fetch(served, path)[0] == 200
            assert time.monotonic() - began < 5, path


@pytest.mark.parametrize("path", INLINE)
def test_inline_views_take_less_than_two_milliseconds(served: InternalAPIServer, path: str) -> None:
    assert served.app is not None
    client = served.app.test_client()
    taken = []
    for _ in range(20):
        began = time.thread_time()
        assert client.get(path).status_code == 200
        taken.append(time.thread_time() - began)
    assert min(taken) < MAX_SECONDS
