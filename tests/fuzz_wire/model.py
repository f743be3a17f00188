"""The boundaries of the requests in a stream, as waitress' own parser sees them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from lmcache_internal.settings import MAX_BODY_BYTES

ADJUSTMENTS = {"max_request_body_size": MAX_BODY_BYTES + 1, "max_request_header_size": 64 << 10}
"""These limits must be equal to the server's; all others are waitress' defaults."""


class Parsed(NamedTuple):
    """One request.

    Attributes:
        start: the offset of its first byte in the stream.
        end: the offset after its last byte.
        head: from the request line to the blank line, as it was sent.
        trailer: the trailer of a chunked body.
        method: HEAD, or another one; empty if the head is broken.
        version: "1.1", "1.0", another one, or empty.
        has_body: whether it has a body.
        is_complete: whether all bytes are in the stream.
        is_broken: waitress refuses it.
        crashes: waitress fails on it, and closes the connection without a response.
        closes: it asks to close the connection.
    """

    start: int
    end: int
    head: bytes
    trailer: bytes
    method: str
    version: str
    has_body: bool
    is_complete: bool
    is_broken: bool
    crashes: bool
    closes: bool


def requests_in(stream: bytes) -> Iterator[Parsed]:
    """Return the requests of a stream, up to the first after which there is no response."""
    adjustments = Adjustments(**ADJUSTMENTS)
    start = place = 0
    while place < len(stream):
        parser = HTTPRequestParser(adjustments)
        place, head_end, crashes = _feed(parser, stream, place)
        if parser.empty:
            continue  # Blank lines, which belong to the next request.
        parsed = _describe(parser, stream[start:head_end], start, place, crashes)
        yield parsed
        if crashes or parsed.closes or parsed.is_broken or not parsed.is_complete:
            return
        start = place


def _feed(parser: HTTPRequestParser, stream: bytes, place: int) -> tuple[int, int, bool]:
    """Return the offset of its end and of the end of its head, and whether waitress fails."""
    head_end = len(stream)
    try:
        while not parser.completed and place < len(stream):
            in_head = not parser.headers_finished
            place += parser.received(stream[place:])
            head_end = place if in_head else head_end
    except Exception:  # waitress closes the connection for any exception.
        return len(stream), len(stream), True
    return place, head_end, False


def _describe(parser: HTTPRequestParser, head: bytes, start: int, end: int, crashes: bool) -> Parsed:
    trailer = getattr(parser.body_rcv, "trailer", b"")
    return Parsed(
        start=start,
        end=end,
        head=head,
        trailer=trailer,
        method=getattr(parser, "command", ""),
        version=parser.version,
        has_body=parser.body_rcv is not None,
        is_complete=parser.completed,
        is_broken=parser.error is not None,
        crashes=crashes,
        closes=parser.connection_close,
    )
