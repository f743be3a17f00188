"""Who speaks something else is told so, or let go, at once; who speaks too slowly, a little later."""

from __future__ import annotations

import contextlib
import json
import random
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer, connection
from tests.serving.support import INLINE, LAST, POOL, serving
from tests.wire import Conversation, statuses, talking

AT_ONCE = 1.0
"""Seconds."""

PACKETS = {
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "Redis, inline": b"PING\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "SMTP": b"EHLO example.com\r\n",
    "FTP": b"USER anonymous\r\n",
    "memcached": b"get x\r\n",
    "PROXY protocol": b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n",
    "PROXY protocol, binary": b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /version\r\n",
    "PostgreSQL": b"\x00\x00\x00\x08\x04\xd2\x16\x2f",
    "TLS 1.0, older form": b"\x80\x2e\x01\x03\x01\x00\x15",
    "zeros": bytes(100),
    "one zero": b"\x00",
    "one byte of TLS": b"\x16",
    "UTF-8": "Grüße".encode(),
    "UTF-16": "GET / HTTP/1.1\r\n".encode("utf-16"),
    "JSON": b'{"jsonrpc": "2.0"}\n',
    "XML": b"<?xml version='1.0'?>\n",
    "LF alone": b"GET /version HTTP/1.1\nHost: localhost\n\n",
    "LF alone, one line": b"GET /version HTTP/1.1\n",
    "LF alone after the request line": b"GET /version HTTP/1.1\r\nHost: localhost\n\n",
    "LF alone at the end": b"GET /version HTTP/1.1\r\nHost: localhost\r\n\n",
    "CR alone": b"GET /version HTTP/1.1\rHost: localhost\r\r",
    "CR alone after the request line": b"GET /version HTTP/1.1\r\nHost: localhost\r\r",
    "LF CR": b"GET /version HTTP/1.1\n\rHost: localhost\n\r\n\r",
    "broken request line, no end": b"GET /version HTTP/9\r\nHost: localhost\r\n",
}


def is_let_go(conversation: Conversation, answered: int = 0) -> None:
    """After `answered` valid answers the client is refused, or its connection closed, at once."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionResetError):
        answers = statuses(conversation.rest(patience=AT_ONCE))
        assert answers[:answered] == [200] * answered
        assert answers[answered:] in ([], [400], [405], [501], [505])
    assert time.monotonic() - began < AT_ONCE


@pytest.mark.parametrize("packet", PACKETS.values(), ids=PACKETS)
@pytest.mark.parametrize("splits", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("before", [b"", INLINE + POOL], ids=["first", "after requests"])
def test_another_protocol_is_let_go_at_once(tcp: InternalAPIServer, packet: bytes, splits: bool, before: bytes) -> None:
    with talking(tcp) as conversation:
        conversation.send(before)
        conversation.send(*(bytes([byte]) for byte in packet)) if splits else conversation.send(packet)
        is_let_go(conversation, answered=before.count(b"GET"))


def test_tls_is_let_go_at_once(tcp: InternalAPIServer) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    with talking(tcp) as conversation:
        conversation.send(outgoing.read())
        is_let_go(conversation)


def test_noise_is_let_go_at_once(tcp: InternalAPIServer) -> None:
    chance = random.Random(1)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            conversation = stack.enter_context(talking(tcp))
            conversation.send(bytes([chance.choice(b"\x00\x05\x16\x80\xff(@[{ ")]) + chance.randbytes(99))
            is_let_go(conversation)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InternalAPIServer]:
    """A server that gives a head half a second."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.5)
    with serving(tmp_path) as server:
        yield server


HALF = INLINE[:-2]
SLOW = POOL.replace(b"/echo", b"/slow")


@pytest.mark.parametrize(
    ("packets", "expected"),
    [
        ([HALF], [408]),
        ([b"G"], [408]),
        ([INLINE + HALF], [200, 408]),
        ([POOL, HALF], [200, 408]),
        ([SLOW + HALF], [200, 408]),
        ([INLINE, HALF.replace(b"GET", b"POST")], [200, 408]),
        ([bytes([byte]) for byte in HALF] + [b"X: y\r\n"] * 30, [408]),
        ([b"\r\n"] * 60, [408]),
    ],
    ids=["half a head", "a byte", "same packet", "next packet", "behind a slow one", "POST", "trickles", "blank lines"],
)
def test_a_head_that_does_not_end_is_a_timeout(
    hasty: InternalAPIServer, packets: list[bytes], expected: list[int]
) -> None:
    with talking(hasty) as conversation:
        began = time.monotonic()
        conversation.send(*packets, pause=0.05)
        *_, last = answers = conversation.rest(patience=3)
        assert 0.4 < time.monotonic() - began < 4
    assert statuses(answers) == expected
    assert set(json.loads(last.body)) == {"error", "message"}


def test_a_head_that_ends_in_time_is_served(hasty: InternalAPIServer) -> None:
    with talking(hasty) as conversation:
        time.sleep(0.7)  # The time before the first byte is another matter, and so is that between two requests.
        for request in (INLINE, POOL, SLOW, POOL):
            conversation.send(request[:20], request[20:-1], request[-1:], pause=0.1)
            assert conversation.next().status == 200
            time.sleep(0.7)
        conversation.send(LAST)
        assert statuses(conversation.rest()) == [200]
