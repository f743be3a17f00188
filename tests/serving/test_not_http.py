"""Clients that do not speak HTTP are refused or disconnected at once; clients that are too slow, after a timeout."""

from __future__ import annotations

import contextlib
import json
import random
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, connection
from tests.serving.support import INLINE, LAST, POOL, serving
from tests.serving.tables import PROTOCOLS
from tests.wire import Answer, Conversation, statuses, talking

AT_ONCE = 8.0
"""In seconds, on a busy machine. The timeout of a head is 10 s."""


def is_let_go(conversation: Conversation, answered: int = 0) -> None:
    """Check that after `answered` valid responses the client is refused or disconnected at once."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        answers = statuses(conversation.rest(patience=AT_ONCE))
        assert answers[:answered] == [200] * answered
        assert answers[answered:] in ([], [400], [405], [501], [505])
    assert time.monotonic() - began < AT_ONCE


@pytest.mark.parametrize("packet", PROTOCOLS.values(), ids=PROTOCOLS)
@pytest.mark.parametrize("splits", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("before", [b"", INLINE + POOL], ids=["first", "after requests"])
def test_another_protocol_is_refused_at_once(
    tcp: InternalAPIServer, packet: bytes, splits: bool, before: bytes
) -> None:
    with talking(tcp) as conversation:
        conversation.send(before)
        conversation.send(*(bytes([byte]) for byte in packet)) if splits else conversation.send(packet)
        is_let_go(conversation, answered=before.count(b"GET"))


def test_tls_is_refused_at_once(tcp: InternalAPIServer) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    with talking(tcp) as conversation:
        conversation.send(outgoing.read())
        is_let_go(conversation)


def test_random_bytes_are_refused_at_once(tcp: InternalAPIServer) -> None:
    chance = random.Random(1)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            conversation = stack.enter_context(talking(tcp))
            conversation.send(bytes([chance.choice(b"\x00\x05\x16\x80\xff(@[{ ")]) + chance.randbytes(99))
            is_let_go(conversation)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InternalAPIServer]:
    """Yield a server with a short head timeout."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", HEAD_SECONDS)
    monkeypatch.setattr(acceptor, "SWEEP_SECONDS", 0.1)
    with serving(tmp_path) as server:
        yield server


HEAD_SECONDS = 1.5

HALF = INLINE[:-2]
SLOW = POOL.replace(b"/echo", b"/slow")

UNFINISHED = {
    "half a head": ([HALF], [408]),
    "a byte": ([b"G"], [408]),
    "same packet": ([INLINE + HALF], [200, 408]),
    "next packet": ([POOL, HALF], [200, 408]),
    "behind a slow one": ([SLOW + HALF], [200, 408]),
    "POST": ([INLINE, HALF.replace(b"GET", b"POST")], [200, 408]),
    "trickles": ([bytes([byte]) for byte in HALF] + [b"X: y\r\n"] * 60, [408]),
    "blank lines": ([b"\r\n"] * 80, [408]),
}


def test_an_incomplete_head_times_out(hasty: InternalAPIServer) -> None:
    def try_it(packets: list[bytes]) -> list[Answer]:
        with talking(hasty) as conversation:
            began = time.monotonic()
            conversation.send(*packets, pause=0.05)
            answers = conversation.rest()
            assert 0.8 * HEAD_SECONDS < time.monotonic() - began < 9
            return answers

    with ThreadPoolExecutor(len(UNFINISHED)) as threads:
        tried = list(threads.map(try_it, [packets for packets, _ in UNFINISHED.values()]))
    for (name, (_, expected)), answers in zip(UNFINISHED.items(), tried, strict=True):
        assert (name, statuses(answers)) == (name, expected)
        assert set(json.loads(answers[-1].body)) == {"error", "message"}


def test_a_head_that_is_complete_in_time_is_served(hasty: InternalAPIServer) -> None:
    with talking(hasty) as conversation:
        time.sleep(
            1.1 * HEAD_SECONDS
        )  # The timeout does not include the time before the first byte or between two requests.
        for request in (SLOW, INLINE):
            conversation.send(request[:20], request[20:-1], request[-1:], pause=0.05)
            assert conversation.next().status == 200
            time.sleep(1.1 * HEAD_SECONDS)
        conversation.send(LAST)
        assert statuses(conversation.rest()) == [200]
