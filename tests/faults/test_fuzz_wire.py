"""A short run of the wire fuzzer, and faults that it must find."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, cast

import pytest

from tests.fuzz_wire import comparison, shrinking
from tests.fuzz_wire.comparison import Servers
from tests.fuzz_wire.fuzzing import Fuzzer, series
from tests.fuzz_wire.servers import both

pytestmark = pytest.mark.usefixtures("unlogged")

SEED = "1"
STREAMS = 1000
SECONDS = 600.0
"""More seconds than needed on any machine."""

Change = Callable[[bytes], bytes]

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture(scope="module", params=["tcp", "unix"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with both(request.param) as running:
        yield running


class Faulty:
    """A connection to a server with a fault: its input or its output is changed."""

    def __init__(self, connection: socket.socket, sent: Change, received: Change) -> None:
        self._connection = connection
        self._sent = sent
        self._received = received
        self._stack = ExitStack()

    def sendall(self, data: bytes) -> None:
        self._connection.sendall(self._sent(data))

    def recv(self, size: int) -> bytes:
        return self._received(self._connection.recv(size))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __enter__(self) -> Faulty:
        self._stack.enter_context(self._connection)
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def same(data: bytes) -> bytes:
    return data


def leaks(data: bytes, kept: list[bytes] = []) -> bytes:  # noqa: B006  # State that survives a connection.
    kept += re.findall(rb"Authorization: Basic \d+\r\n", data)[-1:]
    return data.replace(b"X-Serial: 1\r\n", b"X-Serial: 1\r\n" + kept[-1]) if kept else data


def drops(data: bytes) -> bytes:
    return re.sub(rb"GET /version HTTP/1\.1\r\n(?:[^\r]+\r\n)+\r\n", b"", data, count=1)


def merges(data: bytes) -> bytes:
    return data.replace(b"Content-Length: 7\r\n", b"Content-Length: 8\r\n")


def needs_no_host(data: bytes) -> bytes:
    return re.sub(rb" HTTP/1\.1\r\n(?!Host)", b" HTTP/1.1\r\nHost: localhost\r\n", data)


def unfolds(data: bytes) -> bytes:
    return re.sub(rb"\r\n[ \t]+", b" ", data)


def repeats(data: bytes) -> bytes:
    return data + ANSWER if data.startswith(b"HTTP/1.1 404") else data


def goes_on(data: bytes) -> bytes:
    return data + ANSWER if b"HTTP/1.1 400" in data else data


def confuses(data: bytes) -> bytes:
    return data.replace(b'"X-Serial":"2"', b'"X-Serial":"1"')


def cuts(data: bytes) -> bytes:
    return data.replace(b"embedded", b"embedde")


def is_silent(data: bytes) -> bytes:
    if not data:
        raise TimeoutError
    return data


def with_fault(servers: Servers, sent: Change, received: Change) -> Servers:
    return servers._replace(ours=lambda: cast(socket.socket, Faulty(servers.ours(), sent, received)))


FAULTS: dict[str, tuple[Change, Change]] = {
    "a header comes from another request": (leaks, same),
    "a request is dropped": (drops, same),
    "a request swallows the start of the next": (merges, same),
    "no Host is needed": (needs_no_host, same),
    "a folded header is served": (unfolds, same),
    "an answer too many": (same, repeats),
    "an answer after a refusal": (same, goes_on),
    "an answer to another request": (same, confuses),
    "an answer is cut": (same, cuts),
    "the connection stays open": (same, is_silent),
}


def test_the_server_and_plain_waitress_agree(servers: Servers) -> None:
    fuzzer = Fuzzer(servers)
    fuzzer.run(islice(series(SEED), STREAMS), SECONDS)
    assert fuzzer.tried == STREAMS
    assert not fuzzer.found, fuzzer.found[0]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found(servers: Servers, fault: tuple[Change, Change], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "TIMEOUT_SECONDS", 3.0)
    monkeypatch.setattr(shrinking, "SECONDS", 1.0)
    faulty = with_fault(servers, *fault)
    fuzzer = Fuzzer(faulty)
    fuzzer.run(islice(series(SEED), STREAMS), SECONDS)
    assert fuzzer.found
    found = fuzzer.found[0]
    assert faulty.disagreement(found.stream)
    monkeypatch.undo()
    assert not servers.disagreement(found.stream)
    assert f"FUZZ_SEED={found.seed}\n" in str(found)


def test_a_seed_reproduces_its_streams(servers: Servers) -> None:
    faulty = with_fault(servers, same, cuts)
    first = Fuzzer(faulty)
    first.run(series(SEED), SECONDS)
    again = Fuzzer(faulty)
    again.run(series(first.found[0].seed), SECONDS)
    assert again.tried == 1
    assert again.found == first.found[:1]
    assert len(again.found[0].stream.parts) == 1  # Everything unneeded is removed.
