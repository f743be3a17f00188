"""Thousands of connections use a limited share of the descriptors, and do not lock out other clients."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.faults.host import Answer, Host, answer_on, hosting
from tests.support import eventually, takes_less

GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_HEAD = GET[:30]
HALF_BODY = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
PROBES = ("/livez", "/readyz", "/healthz")
LARGE_BYTES = 12 << 20
BEYOND = 20
"""Descriptors beyond the limit that refused clients and probes may use."""

PLUGIN = '''
import os
import time
from pathlib import Path

from flask import Blueprint, Response

from lmcache_internal.api import Role, operation

router = Blueprint("limits", __name__)
BODY = b"x" * (12 << 20)


@router.get("/open")
@operation(action="open files")
def open_files(count: int) -> int:
    """Have so many files open at once, as an engine may."""
    opened = []
    try:
        for _ in range(count):
            opened.append(os.open(os.devnull, os.O_RDONLY))
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return len(opened)


@router.get("/sleep")
@operation(action="sleep")
def sleep(seconds: float) -> str:
    """Answer after so many seconds."""
    time.sleep(seconds)
    return "slept"


@router.get("/hold")
@operation(action="hold")
def hold(directory: str) -> str:
    """Answer when there is a file `release` in a directory."""
    (Path(directory) / f"held-{time.monotonic_ns()}").touch()
    while not (Path(directory) / "release").exists():
        time.sleep(0.05)
    return "released"


@router.get("/large")
@operation(action="send much", access=Role.PUBLIC, cheap=True)
def large() -> Response:
    """Twelve MiB at once."""
    return Response(BODY)
'''


@contextlib.contextmanager
def clients(host: Host, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Open that many connections that send only this; the server may close some of them."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            made.append(stack.enter_context(host.connect()))
            with contextlib.suppress(ConnectionError):
                made[-1].sendall(sent)
        time.sleep(0.5)  # The server has accepted all of them.
        yield made


def assert_lets_in(host: Host) -> None:
    for path in (*PROBES, "/lmc_version", "/conf"):
        assert takes_less(1, partial(assert_answers, host, path, 200)), path


def assert_answers(host: Host, path: str, status: int) -> None:
    answer = host.ask(path)
    assert answer.status == status, (path, answer.body)
    if status == 503:
        assert int(answer.headers["Retry-After"]) >= 1
        assert "connections" in json.loads(answer.body)["message"]


@pytest.mark.parametrize(("descriptors", "limit"), [(4096, 1000), (1024, 256), (400, 100)])
@pytest.mark.parametrize(
    "sent", [b"", HALF_HEAD, HALF_BODY, GET], ids=["silent", "half a head", "half a body", "answered"]
)
def test_waiting_clients_do_not_lock_out_others(tmp_path: Path, descriptors: int, limit: int, sent: bytes) -> None:
    with hosting(tmp_path, PLUGIN, descriptors=descriptors) as host:
        assert_lets_in(host)
        before = host.descriptors()
        with clients(host, 1100, sent):
            for _ in range(3):
                assert_lets_in(host)
            assert host.descriptors() <= before + limit + BEYOND
            free = descriptors - before - limit - BEYOND
            assert host.ask(f"/open?count={free}").status == 200
        assert eventually(lambda: host.descriptors() <= before + 1)  # The descriptor that lists the directory.


def read_slowly(host: Host) -> int:
    received = 0
    with host.connect(receive_buffer=64 << 10) as client:
        client.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        while piece := client.recv(64 << 10):
            received += len(piece)
            time.sleep(2 * len(piece) / LARGE_BYTES)
    return received


def sleepers(host: Host, threads: ThreadPoolExecutor, count: int) -> list[Future[Answer]]:
    """Start that many requests that take three seconds."""
    sleeping = [threads.submit(host.ask, "/sleep?seconds=3") for _ in range(count)]
    time.sleep(0.5)
    return sleeping


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY, GET])
def test_busy_connections_are_not_closed(tmp_path: Path, sent: bytes) -> None:
    with hosting(tmp_path, PLUGIN, descriptors=400) as host, ThreadPoolExecutor(32) as threads:
        reading = [threads.submit(read_slowly, host) for _ in range(2)]
        sleeping = sleepers(host, threads, 20)
        with host.connect() as waiting:
            waiting.sendall(b"GET /sleep?seconds=2 HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET)
            with clients(host, 600, sent):
                assert_lets_in(host)
                assert answer_on(waiting).status == 200
                assert [future.result().status for future in sleeping] == [200] * 20
                assert all(future.result() > LARGE_BYTES for future in reading)


@pytest.mark.parametrize("besides", [b"", HALF_HEAD, GET], ids=["silent", "half a head", "asking"])
def test_when_all_connections_are_busy_others_are_refused_and_probes_are_served(tmp_path: Path, besides: bytes) -> None:
    with hosting(tmp_path, PLUGIN, descriptors=100) as host, ThreadPoolExecutor(32) as threads:
        assert_lets_in(host)
        held = [threads.submit(host.ask, f"/hold?directory={tmp_path}") for _ in range(25)]
        assert eventually(lambda: len(list(tmp_path.glob("held-*"))) == 25)  # A quarter of the descriptors.
        with clients(host, 40, besides):
            for path in PROBES * 3:
                assert takes_less(1, partial(assert_answers, host, path, 200)), path
            for _ in range(20):
                assert takes_less(1, partial(assert_answers, host, "/lmc_version", 503))
            assert not any(future.done() for future in held)
        (tmp_path / "release").touch()
        assert [future.result().status for future in held] == [200] * 25
        assert_lets_in(host)


@pytest.mark.parametrize("drips", [False, True], ids=["silent", "dripping"])
def test_an_incomplete_head_times_out(tmp_path: Path, drips: bool) -> None:
    with hosting(tmp_path, constants={"serving.connection.HEAD_SECONDS": 1.0}) as host, host.connect() as client:
        began = time.monotonic()
        client.sendall(HALF_HEAD)
        client.settimeout(0.2)
        received = b""
        while not received and time.monotonic() - began < 13:  # The default would be 10 s.
            with contextlib.suppress(TimeoutError):
                received = client.recv(1 << 16)
            if drips and not received:
                client.sendall(b"x")
        assert received.startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began > 0.8
