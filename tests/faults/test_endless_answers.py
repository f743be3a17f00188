"""Views with an endless response: it ends when the client disconnects, and releases its thread."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.host import Host, hosting
from tests.faults.test_connections import reset
from tests.support import eventually

CLIENTS = 12
"""Fewer than the slots of a plugin view."""
HASTY = {"serving.connection.STALLED_SECONDS": 2.0}
"""A short timeout, only for the tests that wait for it."""

PLUGIN = '''
import time
from collections.abc import Iterator

from flask import Blueprint, Response

from lmcache_internal.api import operation

router = Blueprint("endless", __name__)
open_answers = []


def pieces(data: bytes, pause: float) -> Iterator[bytes]:
    open_answers.append(data)
    try:
        while True:
            yield data
            time.sleep(pause)
    finally:
        open_answers.pop()


KINDS = {"fast": (bytes(65536), 0), "slow": (b"x", 0.05), "quiet": (b"", 0.02)}


@router.get("/plain/<kind>")
def plain(kind: str) -> Response:
    """Without the gate."""
    return Response(pieces(*KINDS[kind]))


@router.get("/operation/<kind>")
@operation(action="stream")
def called(kind: str) -> Response:
    """With a deadline."""
    return Response(pieces(*KINDS[kind]))


@router.get("/cheap/<kind>")
@operation(action="stream", cheap=True)
def cheap(kind: str) -> Response:
    """In the request's thread."""
    return Response(pieces(*KINDS[kind]))


@router.get("/open")
@operation(action="count", cheap=True)
def count() -> int:
    """How many answers are being made."""
    return len(open_answers)
'''


@pytest.fixture
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Host]:
    constants = getattr(request, "param", {})
    with hosting(tmp_path, PLUGIN, constants) as running:
        running.ask("/open")
        running.ask("/livez")
        yield running


def open_answers(host: Host) -> int:
    return int(host.ask("/open").body)


def request(method: str, path: str, version: str = "1.1", *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: localhost", *headers, "", ""]).encode()


def shut_down(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_RDWR)
    client.close()


@contextlib.contextmanager
def ends(host: Host) -> Iterator[None]:
    """Check that all responses end, and that threads and descriptors return to their former numbers."""
    assert eventually(lambda: open_answers(host) == 0)
    threads, descriptors = host.threads(), host.descriptors()
    yield
    assert eventually(lambda: open_answers(host) == 0), open_answers(host)
    assert eventually(lambda: host.threads() <= threads), host.threads() - threads
    assert eventually(lambda: host.descriptors() <= descriptors), host.descriptors() - descriptors


views = pytest.mark.parametrize("view", ["plain", "operation", "cheap"])


@views
@pytest.mark.parametrize("kind", ["fast", "slow"])
def test_it_ends_when_the_client_disconnects(host: Host, view: str, kind: str) -> None:
    endings = [socket.socket.close, reset, shut_down]
    with ends(host):
        clients = [host.connect() for _ in range(CLIENTS)]
        for number, client in enumerate(clients):
            client.sendall(request("GET", f"/{view}/{kind}", "1.0" if number % 2 else "1.1"))
        for client in clients:
            assert client.recv(4096)
        assert open_answers(host) == CLIENTS
        for number, client in enumerate(clients):
            endings[number % 3](client)


@views
def test_it_ends_when_the_client_resets_even_if_there_is_nothing_to_send(host: Host, view: str) -> None:
    with ends(host):
        clients = [host.connect() for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(request("GET", f"/{view}/quiet"))
        assert eventually(lambda: open_answers(host) == CLIENTS)
        for client in clients:
            reset(client)


@views
@pytest.mark.parametrize("kind", ["fast", "quiet"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_head_gets_only_the_head(host: Host, view: str, kind: str, version: str) -> None:
    with ends(host), host.connect() as client:
        client.sendall(request("HEAD", f"/{view}/{kind}", version, "Connection: close"))
        answer = read_to_the_end(client)
        assert answer.startswith(f"HTTP/{version} 200 ".encode())
        assert answer.index(b"\r\n\r\n") == len(answer) - 4


def read_to_the_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(1 << 16), b""))


@views
@pytest.mark.parametrize("host", [HASTY], indirect=True, ids=["hasty"])
def test_it_ends_when_the_client_stops_reading(host: Host, view: str) -> None:
    with ends(host), contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            client = stack.enter_context(host.connect(receive_buffer=4096))
            client.sendall(request("GET", f"/{view}/fast"))
            assert client.recv(4096)
        assert eventually(lambda: open_answers(host) == 0), open_answers(host)


@views
def test_it_continues_for_a_client_that_only_stops_sending(host: Host, view: str) -> None:
    with ends(host), host.connect() as client:
        client.sendall(request("GET", f"/{view}/slow"))
        client.shutdown(socket.SHUT_WR)
        received = 0
        while received <= 10 and (piece := client.recv(4096)):
            received += piece.count(b"x")
        assert received > 10
        assert open_answers(host) == 1
