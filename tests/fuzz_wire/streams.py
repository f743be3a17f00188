"""Random streams of pipelined requests, cut into packets."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple

from tests.serving import tables
from tests.serving.support import LAST, get, post, request

PATHS = [
    *(b"/version", b"/lmc_version", b"/commit_id", b"/livez"),  # Served in the event loop, or by the thread for probes.
    *(b"/echo", b"/unread", b"/nowhere", b"/backends", b"/conf?names=chunk_size", b"/loglevel?logger_name=root"),
    *(b"/ver%73ion", b"//version", b"/echo?a=%zz&b", b"/echo/%c3%a9", b"http://localhost/echo", b"/echo#x"),
]
BODILESS = [b"/stream", b"/nothing?status=204", b"/nothing?status=304"]
REPEATS = [0] * 5 + [1] * 5 + [20] * 9 + [3000]
"""The length of a body, in words; the longest does not fit into one packet."""
METHODS = [b"GET"] * 6 + [b"HEAD"] * 2 + [b"POST", b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"BREW"]
HEADERS = [
    *(b"Accept: */*", b"User-Agent: fuzz", b"X-Empty:", b"x-two: 1", b"X-Two: 2", b"X_Under: 1", b"X: \xff"),
    *(b"Content-Type: application/json", b"Accept-Encoding: gzip", b"Connection: keep-alive", b"Cookie: a=b"),
]


class Stream(NamedTuple):
    """The bytes sent on one connection.

    Attributes:
        parts: the requests, or what is sent instead.
        packets: the same bytes, cut into packets.
        pause: seconds between two packets.
    """

    parts: tuple[bytes, ...]
    packets: tuple[bytes, ...]
    pause: float


def stream(chance: random.Random) -> Stream:
    """Return a stream. Half of the streams are valid; the others contain something broken, mostly at the end."""
    parts = [valid(chance, serial) for serial in range(chance.randint(0, 7))]
    if chance.random() < 0.25:
        parts = [expecting(chance, part) for part in parts]
    elif chance.random() < 0.7:
        parts.append(chance.choice([broken, broken, mutated, mutated, spliced, noise])(chance))
    if chance.random() < 0.5:
        parts.append(valid(chance, 8))
    if chance.random() < 0.8:
        parts.append(LAST)
    packets = cut(chance, tuple(parts))
    return Stream(tuple(parts), packets, chance.choice([0, 0, 0.001, 0.005]) if len(packets) < 20 else 0)


def valid(chance: random.Random, serial: int = 0) -> bytes:
    """Return a valid request with unique text in its head and its body."""
    headers = chance.sample(HEADERS, chance.randint(0, 3))
    if chance.random() < 0.5:
        headers.append(b"Authorization: Basic %d" % chance.getrandbits(32))
    if chance.random() < 0.3:
        body, framing = with_body(chance, b"body %d " % serial * chance.choice(REPEATS))
        return post(b"X-Serial: %d" % serial, *headers, framing, body=body)
    path = chance.choice(PATHS if chance.random() < 0.9 else BODILESS)
    line = chance.choice(METHODS) + b" " + path + (b" HTTP/1.0" if chance.random() < 0.1 else b" HTTP/1.1")
    blank = b"\r\n" * chance.choice([0, 0, 0, 0, 1, 2])
    return blank + request(line, b"Host: localhost", b"X-Serial: %d" % serial, *headers)


def with_body(chance: random.Random, content: bytes) -> tuple[bytes, bytes]:
    """Return `content` as it is sent, and the header that states its length."""
    if chance.random() < 0.5:
        return content, b"Content-Length: %d" % len(content)
    body = b""
    while content:
        size = chance.randint(1, len(content))
        extension = chance.choice([b"", b"", b";a", b';a="b;c"'])
        body += b"%x%s\r\n%s\r\n" % (size, extension, content[:size])
        content = content[size:]
    return body + b"0\r\n" + chance.choice([b"", b"X-Sum: 1\r\n"]) + b"\r\n", b"Transfer-Encoding: chunked"


def expecting(chance: random.Random, part: bytes) -> bytes:
    """Return the request with `Expect: 100-continue`; the client may or may not wait."""
    return part if chance.random() < 0.5 else part.replace(b"\r\nX-Serial", b"\r\nExpect: 100-continue\r\nX-Serial", 1)


def broken(chance: random.Random) -> bytes:
    """Return a request that HTTP forbids, from the tables of the tests."""
    kinds: list[Callable[[], bytes]] = [
        lambda: post(*chance.choice(list(tables.LENGTHS.values()))[0], body=chance.choice(BODIES)),
        lambda: post(b"Transfer-Encoding: chunked", body=chance.choice(list(tables.CHUNKS.values()))),
        lambda: request(chance.choice([*tables.LINES.values(), *tables.VERSIONS]), b"Host: localhost"),
        lambda: get(b"/echo", chance.choice(list(tables.HEADERS.values()))),
        lambda: request(b"GET /echo HTTP/1.1", *[b"Host: localhost"] * chance.choice([0, 2])),
    ]
    return chance.choice(kinds)()


BODIES = [b"hello", b"5\r\nhello\r\n0\r\n\r\n"]


def mutated(chance: random.Random) -> bytes:
    """Return a request with some bytes changed, added or removed."""
    changed = bytearray(valid(chance))
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(changed))
        changed[place : place + chance.randint(0, 2)] = chance.choice(SPLINTERS) or chance.randbytes(1)
    return bytes(changed)


SPLINTERS = [
    b"",
    b"",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b"\x00",
    b":",
    b",",
    b"0",
    b"5",
    b"%",
    b"chunked",
]


def spliced(chance: random.Random) -> bytes:
    """Return the start of one request and the end of another."""
    start, end = valid(chance), valid(chance)
    return start[: chance.randrange(len(start))] + end[chance.randrange(len(end)) :]


def noise(chance: random.Random) -> bytes:
    """Return bytes that are not HTTP."""
    return chance.choice([chance.randbytes(chance.randint(1, 300)), *tables.PROTOCOLS.values()])


def cut(chance: random.Random, parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Cut the bytes into packets: one, one per part, one per byte, or some of any size."""
    whole = b"".join(parts)
    if (way := chance.randrange(4)) == 0 and len(whole) < 1000:
        return tuple(whole[place : place + 1] for place in range(len(whole)))
    if way == 1:
        return parts
    places = sorted(chance.sample(range(len(whole) + 1), min(len(whole), chance.randint(0, 8)))) if way == 2 else []
    edges = [0, *places, len(whole)]
    return tuple(whole[start:end] for start, end in pairwise(edges) if start < end)
