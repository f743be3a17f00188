"""What HTTP allows and what it does not: each request gets its answer, and the next one, too."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import time

import pytest

from lmcache_internal import InternalAPIServer
from tests.faults.unharmed import assert_serves
from tests.support import connect

LIMIT = 1 << 20
HEAD = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"


def exchange(server: InternalAPIServer, sent: bytes) -> bytes:
    """All that comes back when `sent` is all that is sent."""
    with connect(server) as client:
        with contextlib.suppress(BrokenPipeError):  # It may be refused before it has sent all.
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


def statuses(answers: bytes) -> list[int]:
    return [int(part[2:5]) for part in answers.split(b"HTTP/1.")[1:]]


def test_pipelined_requests_are_answered_in_order(harmed: InternalAPIServer) -> None:
    paths = [b"/lmc_version", b"/nowhere", b"/meta"] * 20
    for _ in range(5):
        answers = exchange(harmed, b"".join(GET.replace(b"/lmc_version", path) for path in paths))
        assert statuses(answers) == [200, 404, 200] * 20


def test_what_follows_a_broken_request_is_not_answered(harmed: InternalAPIServer) -> None:
    assert statuses(exchange(harmed, GET * 3 + b"NONSENSE\r\n\r\n" + GET * 3)) == [200, 200, 200, 400]


@pytest.mark.parametrize(
    "headers",
    [
        b"X: " + b"y" * 70_000,
        b"\r\n".join(b"X-%d: y" % number for number in range(10_000)),
        b"X: y\r\n " * 10_000,
        b"y" * 70_000,
    ],
)
def test_oversized_headers_are_refused(harmed: InternalAPIServer, headers: bytes) -> None:
    for _ in range(10):
        with connect(harmed) as client:
            client.sendall(b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n")
            answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert statuses(answer) == [431]


@pytest.mark.parametrize("chunked", [False, True])
def test_oversized_bodies_are_refused_and_the_client_reads_why(harmed: InternalAPIServer, chunked: bool) -> None:
    body = b" " * (4 * LIMIT)
    head = HEAD + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)) + b"\r\n\r\n"
    for _ in range(5):
        answer = exchange(harmed, head + (b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body))
        assert statuses(answer) == [413]
        assert str(LIMIT) in json.loads(answer.partition(b"\r\n\r\n")[2])["message"]


@pytest.mark.parametrize(
    "pieces",
    [[b"{}"], [b"{", b"}"], [b" "] * 2000 + [b"{}"], [b" " * (LIMIT // 2), b"{}"]],
    ids=["1", "2", "2001", "big"],
)
def test_chunked_bodies_are_taken(harmed: InternalAPIServer, pieces: list[bytes]) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    answers = exchange(harmed, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n" + GET)
    assert statuses(answers) == [200, 200]


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (b"Content-Length: 2\r\nContent-Length: 3", b"{}", [400]),
        (b"Content-Length: 2\r\nContent-Length: 2", b"{}", [400]),
        (b"Content-Length: 2, 2", b"{}", [400]),
        (b"Content-Length: +2", b"{}", [400]),
        (b"Content-Length: 0x2", b"{}", [400]),
        (b"Content-Length: 2_0", b"{}", [400]),
        (b"Content-Length: -2", b"{}", [400]),
        (b"Content-Length: " + b"9" * 30, b"{}", [413]),
        (b"Content-Length : 2", b"{}", [400]),
        (b"Content-Length: 2\nX: y", b"{}", [400]),
        (b"Transfer-Encoding: gzip, chunked", b"2\r\n{}\r\n0\r\n\r\n", [501]),
        (b"Transfer-Encoding: chunked, identity", b"2\r\n{}\r\n0\r\n\r\n", [501]),
        (b"Transfer-Encoding: chunked", b"-2\r\n{}\r\n0\r\n\r\n", [400]),
        (b"Transfer-Encoding: chunked", b"0x2\r\n{}\r\n0\r\n\r\n", [400]),
        (b"Transfer-Encoding: chunked", b"2\r\n{}0\r\n\r\n", [400]),
        (b"Transfer-Encoding: chunked", b"\xff\r\n", [400]),
    ],
)
def test_conflicting_lengths_smuggle_nothing(
    harmed: InternalAPIServer, headers: bytes, body: bytes, expected: list[int]
) -> None:
    for _ in range(5):
        answers = exchange(harmed, HEAD + headers + b"\r\n\r\n" + body + SMUGGLED)
        assert statuses(answers) == expected


def test_ten_thousand_random_requests(harmed: InternalAPIServer) -> None:
    """Half of them noise, half a request with some bytes changed."""
    chance = random.Random(1)
    answered = 0
    for number in range(10_000 if harmed.socket_path is None else 1_000):
        if number % 2:
            request = bytearray(GET)
            for _ in range(chance.randrange(1, 4)):
                request[chance.randrange(len(request))] = chance.randrange(256)
        else:
            request = bytearray(chance.randbytes(chance.randrange(1, 400)) + b"\r\n\r\n" * (number % 3))
        with connect(harmed) as client:
            client.sendall(request)
            if number % 20 == 1:
                client.shutdown(socket.SHUT_WR)
                answered += client.recv(4096) != b""
        if number % 1000 == 0:
            assert_serves(harmed)
        if number % 100 == 0:
            time.sleep(0.001)
    assert answered > 20
