"""Valid and invalid HTTP: each request gets its response, and so does the next one."""

from __future__ import annotations

import json
import random
import socket
import time

import pytest

from lmcache_internal import InternalAPIServer
from tests.faults.unharmed import assert_serves
from tests.support import connect
from tests.wire import Answer, converse, statuses, talking

LIMIT = 1 << 20
HEAD = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"


def exchange(server: InternalAPIServer, sent: bytes) -> list[Answer]:
    """Return all responses to `sent`."""
    with talking(server) as conversation:
        conversation.send(sent)
        conversation.end()
        return conversation.rest(patience=60)


def test_pipelined_requests_are_answered_in_order(harmed: InternalAPIServer) -> None:
    paths = [b"/lmc_version", b"/nowhere", b"/meta"] * 20
    for _ in range(5):
        answers = exchange(harmed, b"".join(GET.replace(b"/lmc_version", path) for path in paths))
        assert statuses(answers) == [200, 404, 200] * 20


def test_data_after_a_broken_request_is_not_answered(harmed: InternalAPIServer) -> None:
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
        sent = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n\r\n"
        assert statuses(converse(harmed, sent)) == [431]


@pytest.mark.parametrize("chunked", [False, True])
def test_oversized_bodies_are_refused_and_the_client_can_read_why(harmed: InternalAPIServer, chunked: bool) -> None:
    body = b" " * (4 * LIMIT)
    head = HEAD + (b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % len(body)) + b"\r\n\r\n"
    for _ in range(5):
        (answer,) = exchange(harmed, head + (b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body))
        assert answer.status == 413
        assert str(LIMIT) in json.loads(answer.body)["message"]


@pytest.mark.parametrize(
    "pieces",
    [[b"{}"], [b"{", b"}"], [b" "] * 2000 + [b"{}"], [b" " * (LIMIT // 2), b"{}"]],
    ids=["1", "2", "2001", "big"],
)
def test_chunked_bodies_are_accepted(harmed: InternalAPIServer, pieces: list[bytes]) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    answers = exchange(harmed, HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n" + GET)
    assert statuses(answers) == [200, 200]


def test_ten_thousand_random_requests(harmed: InternalAPIServer) -> None:
    """Return random bytes or, half of the time, a request with some bytes changed."""
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
