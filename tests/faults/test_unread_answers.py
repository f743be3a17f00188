"""Clients that request much and read nothing: their buffers are limited, and a client that reads gets everything."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.host import Host, hosting
from tests.support import eventually

CONNECTIONS = 150
MOST_GROWTH_MIB = 128
"""All connections together may have 32 MiB unread; the C library keeps several times as much in its threads' arenas."""
LARGE_BYTES = 12 << 20
BEGUN_AT_MOST = 6
"""Responses of 1 MiB: the kernel buffers two or three, one is unread, and the next one may have begun."""

PLUGIN = '''
from collections.abc import Iterator
from itertools import count

from flask import Blueprint, Response

from lmcache_internal.api import Role, operation

router = Blueprint("large", __name__)
BODY = b"x" * (12 << 20)
begun = count()


@router.get("/large")
@operation(action="send much", access=Role.PUBLIC, cheap=True)
def large() -> Response:
    """Twelve MiB at once."""
    return Response(BODY)


@router.get("/large/pieces")
@operation(action="send much in pieces", access=Role.PUBLIC, cheap=True)
def pieces() -> Response:
    """Twelve MiB in pieces of 64 KiB."""
    return Response((BODY[:65536] for _ in range(192)), headers={"Content-Length": str(len(BODY))})


@router.get("/mib")
@operation(action="send some", access=Role.PUBLIC, cheap=True)
def mib() -> Response:
    """One MiB, counted."""
    next(begun)
    return Response(BODY[: 1 << 20])


@router.get("/begun")
@operation(action="count", cheap=True)
def how_many() -> int:
    """How often /mib was asked for."""
    return int(repr(begun)[6:-1])
'''


@pytest.fixture
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(tmp_path_factory.mktemp("unread"), PLUGIN) as running:
        # Objects that are created only once are created here.
        assert running.ask("/large").status == running.ask("/livez").status == 200
        yield running


def request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


@contextlib.contextmanager
def unreading(host: Host, data: bytes) -> Iterator[list[socket.socket]]:
    """Open clients that send `data` and read nothing."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(host.connect(receive_buffer=4096)) for _ in range(CONNECTIONS)]
        for client in clients:
            client.sendall(data)
        yield clients


def read_slowly(host: Host, path: str, tries: int = 1) -> int:
    """Read a response for about four seconds, 64 KiB at a time; return its size in bytes.

    Send the request again if the response is not complete: the concurrency of one view is limited (503), and a client
    is disconnected if, on a busy machine, it reads its first bytes later than others fill their receive buffers.
    """
    for _ in range(tries):
        received = bytearray()
        with contextlib.suppress(ConnectionResetError), host.connect(receive_buffer=64 << 10) as client:
            client.sendall(request(path, "Connection: close"))
            while piece := client.recv(64 << 10):
                received += piece
                time.sleep(4 * len(piece) / LARGE_BYTES)
        if len(received) > LARGE_BYTES:
            break
        time.sleep(1)
    return len(received)


@pytest.mark.parametrize(
    ("path", "pipelined"),
    [
        ("/large", 1),
        ("/large/pieces", 1),
        ("/docs/swagger-ui-bundle.js", 8),
        ("/metrics", 290),
    ],
)
def test_unread_responses_are_limited(host: Host, path: str, pipelined: int) -> None:
    descriptors = host.descriptors()
    with ThreadPoolExecutor() as threads, host.peak_growth() as grown:
        early = threads.submit(read_slowly, host, "/large")
        time.sleep(0.5)
        with unreading(host, request(path) * pipelined):
            late = threads.submit(read_slowly, host, "/large/pieces", tries=10)
            waited = []
            while not (early.done() and late.done()):
                waited.append(host.ask("/livez").seconds)
                time.sleep(0.05)
    assert grown[0] <= MOST_GROWTH_MIB, f"{grown[0]:.0f} MiB"
    assert early.result() > LARGE_BYTES
    assert late.result() > LARGE_BYTES
    assert sorted(waited)[len(waited) * 9 // 10] < 1, waited  # Other processes may delay a few.
    assert eventually(lambda: host.descriptors() <= descriptors)


def test_no_further_request_starts_while_much_is_unread(host: Host) -> None:
    with host.connect(receive_buffer=4096) as client:
        client.sendall(request("/mib") * 19 + request("/mib", "Connection: close"))
        time.sleep(1)
        begun = int(host.ask("/begun").body)
        assert begun <= BEGUN_AT_MOST, f"{begun} have begun"
        received = sum(map(len, iter(lambda: client.recv(1 << 20), b"")))
    assert received > 20 << 20  # A client that finally reads gets all of them.
    assert int(host.ask("/begun").body) == 20
