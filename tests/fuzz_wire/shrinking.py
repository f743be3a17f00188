"""Find the smallest stream that still shows a disagreement."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.fuzz_wire.comparison import Servers
from tests.fuzz_wire.streams import Stream

SECONDS = 20.0
"""Timeout in seconds. If the server sends nothing, each attempt takes `comparison.TIMEOUT_SECONDS`."""


def shrunk(stream: Stream, servers: Servers) -> Stream:
    """Return a smaller stream that the servers disagree about, or `stream` if none is found."""
    until = time.monotonic() + SECONDS
    candidates = _smaller(stream)
    while time.monotonic() < until and (candidate := next(candidates, None)):
        if servers.disagreement(candidate):
            stream, candidates = candidate, _smaller(candidate)
    return stream


def _smaller(stream: Stream) -> Iterator[Stream]:
    """Yield streams that are a little smaller: in one packet, without a request, without a line."""
    whole = b"".join(stream.packets)
    splits = len(stream.packets) > 1
    if splits:
        yield Stream(stream.parts, (whole,), 0)
        if stream.pause:
            yield stream._replace(pause=0)
    for parts in (*_without_a_part(stream.parts), *_without_a_line(stream.parts)):
        smaller = b"".join(parts)
        if smaller:
            bytewise = tuple(smaller[place : place + 1] for place in range(len(smaller)))
            yield Stream(parts, bytewise if splits else (smaller,), stream.pause)


def _without_a_part(parts: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    for number in range(len(parts)):
        yield parts[:number] + parts[number + 1 :]


def _without_a_line(parts: tuple[bytes, ...]) -> Iterator[tuple[bytes, ...]]:
    for number, part in enumerate(parts):
        lines = part.split(b"\r\n")
        for line in range(1, len(lines) - 2):
            shorter = b"\r\n".join(lines[:line] + lines[line + 1 :])
            yield (*parts[:number], shorter, *parts[number + 1 :])
