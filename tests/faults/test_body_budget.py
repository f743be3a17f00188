"""Request bodies of authorized callers: their total size is limited, and a stalled body times out."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.bodies import BODY, HALF, answers, chunk, half_sent, head
from tests.faults.host import Host, answer_on, hosting
from tests.support import eventually, takes_less

CLIENTS = 800
MOST_GROWTH_MIB = 64
"""Twice the limit of 32 MiB for all bodies together."""
BODY_SECONDS = 2.0
"""A short timeout, so that the tests are fast."""
MOST_SECONDS = 20.0
"""On a busy machine; the default of the server is 30 s."""
QUIET_SECONDS = 5.0
"""After so long without a response, those that were not refused are admitted; their bodies time out later."""

POST = head("POST /conf")
CHUNKED = head("POST /conf", length=None) + b"%x\r\n" % len(BODY)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with hosting(tmp_path) as running:
        assert running.ask("/conf", "POST", BODY).status == 200
        yield running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(
        tmp_path_factory.mktemp("bodies"), constants={"serving.connection.BODY_SECONDS": BODY_SECONDS}
    ) as running:
        yield running


@pytest.mark.parametrize(
    "request_head",
    [
        pytest.param(POST, id="with its length"),
        pytest.param(CHUNKED, id="chunked"),
    ],
)
def test_above_the_limit_bodies_are_refused_and_other_requests_are_served(host: Host, request_head: bytes) -> None:
    with host.peak_growth() as grown, half_sent(host, request_head, CLIENTS) as clients:
        refused = answers(clients, QUIET_SECONDS)
        assert takes_less(1, lambda: host.ask("/livez"))
        assert takes_less(1, lambda: host.ask("/lmc_version"))
        for client in clients:
            if client not in refused:
                client.sendall(BODY[len(HALF) :] + (b"\r\n0\r\n\r\n" if request_head is CHUNKED else b""))
                assert answer_on(client).status == 200  # Admitted bodies are served completely.
    assert grown[0] <= MOST_GROWTH_MIB, f"{grown[0]:.0f} MiB"
    assert 0 < len(refused) < CLIENTS
    assert {answer.status for answer in refused.values()} == {503}
    for answer in refused.values():
        assert int(answer.headers["Retry-After"]) >= 1
        assert set(json.loads(answer.body)) == {"error", "message"}


def test_bodies_for_a_public_route_are_limited_too(host: Host) -> None:
    with host.peak_growth() as grown, half_sent(host, head("GET /livez"), CLIENTS) as clients:
        answers(clients, QUIET_SECONDS)
        assert takes_less(1, lambda: host.ask("/livez"))
    assert grown[0] <= MOST_GROWTH_MIB, f"{grown[0]:.0f} MiB"


@pytest.mark.parametrize("length", [len(BODY), None, 16 << 10], ids=["with its length", "chunked", "small"])
def test_bodies_for_a_public_route_leave_memory_for_others(host: Host, length: int | None) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(host.connect()).sendall(head("GET /livez", length=length))
        assert host.ask("/livez").status == 200  # The server has read the heads.
        assert host.ask("/conf", "POST", BODY).status == 200


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("end", ["served", "closed", "reset", "half closed", "malformed", "refused"])
def test_the_limit_is_released_after_each_request(host: Host, end: str) -> None:
    """Send five times as many bodies as the limit allows, ten at a time."""
    for _ in range(16):
        with half_sent(host, CHUNKED if end == "malformed" else POST, 10) as clients:
            for client in clients:
                if end == "served":
                    client.sendall(BODY[len(HALF) :])
                    assert answer_on(client).status == 200
                elif end == "reset":
                    reset(client)
                elif end == "half closed":
                    client.shutdown(socket.SHUT_WR)
                    assert client.recv(1 << 16) == b""
                elif end == "malformed":
                    client.sendall(BODY[len(HALF) :] + b"nonsense\r\n\r\n")
                    assert answer_on(client).status == 400
                elif end == "refused":
                    client.sendall(BODY[len(HALF) :].replace(b" ", b"x"))
                    assert answer_on(client).status == 400
    assert eventually(lambda: host.ask("/conf", "POST", BODY).status == 200)
    for _ in range(40):
        assert host.ask("/conf", "POST", BODY).status == 200


@pytest.mark.parametrize("sent", [b"", HALF], ids=["nothing", "half"])
@pytest.mark.parametrize(
    "request_head",
    [POST, CHUNKED, head("POST /conf", "Expect: 100-continue")],
    ids=["with its length", "chunked", "expecting"],
)
def test_a_stalled_body_times_out(impatient: Host, request_head: bytes, sent: bytes) -> None:
    with impatient.connect() as client:
        began = time.monotonic()
        client.sendall(request_head + sent)
        client.settimeout(MOST_SECONDS)
        received = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert BODY_SECONDS * 0.8 < time.monotonic() - began < MOST_SECONDS
    final = received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not final or final.startswith(b"HTTP/1.1 408 ")


def test_stalled_bodies_are_replaced_by_others(impatient: Host) -> None:
    with half_sent(impatient, POST, 100):
        assert eventually(lambda: impatient.ask("/conf", "POST", BODY).status == 200, MOST_SECONDS)


@pytest.mark.parametrize("length", [len(BODY), None], ids=["with its length", "chunked"])
def test_a_body_that_arrives_steadily_is_not_stalled(impatient: Host, length: int | None) -> None:
    pieces = [BODY[at : at + 100_000] for at in range(0, len(BODY), 100_000)]
    with impatient.connect() as client:
        client.sendall(head("POST /conf", length=length))
        for piece in pieces:
            client.sendall(piece if length else chunk(piece))
            time.sleep(BODY_SECONDS / 4)
        if not length:
            client.sendall(chunk(b""))
        assert answer_on(client).status == 200


def test_a_body_that_is_sent_before_its_response_is_not_stalled(impatient: Host) -> None:
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(impatient.connect())
        client.sendall(POST + BODY)
        assert answer_on(client).status == 200
        time.sleep(BODY_SECONDS + 1)  # The connection is idle now, and the idle timeout is longer.
        client.sendall(POST + BODY)
        assert answer_on(client).status == 200
