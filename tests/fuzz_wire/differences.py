"""The allowed differences between the server and plain waitress, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from waitress.rfc7230 import HEADER_FIELD_RE

from tests.fuzz_wire.model import Parsed
from tests.wire import Answer

REFUSALS = frozenset({400, 408, 413, 414, 417, 431, 501, 505})
"""Which reason the client gets is not compared, because either of two faults may be found first."""

_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]")


class Stricter(NamedTuple):
    """A kind of request that the server refuses although waitress serves it.

    Attributes:
        reason: the reason.
        applies: returns whether a request is of this kind.
        may: the server may also respond as waitress does.
    """

    reason: str
    applies: Callable[[Parsed], bool]
    may: bool = False


STRICTER = [
    Stricter(
        "waitress' parser fails on http://[ and on a Content-Length of 4,301 digits; the responses before it are lost.",
        lambda request: request.crashes,
    ),
    Stricter(
        "An ambiguous length allows request smuggling (RFC 9112, 6.1 and 6.3).",
        lambda request: not _has_one_length(request),
    ),
    Stricter(
        "HTTP/1.1 has one Host, and no version has two (RFC 9112, 3.2): proxies could use either.",
        lambda request: len(values(request, b"host")) not in ((1,) if request.version == "1.1" else (0, 1)),
    ),
    Stricter(
        "A request line has three words, no control characters, and a version that the server knows (RFC 9112, 3).",
        lambda request: not _LINE.fullmatch(request.head.lstrip(b"\r\n").partition(b"\r\n")[0]),
    ),
    Stricter(
        "A header that continues in the next line is obsolete, and other servers parse it differently (RFC 9112, 5.2).",
        lambda request: any(line[:1] in (b" ", b"\t") for line in _lines(request)),
    ),
    Stricter(
        "Lines after the last chunk must be headers, because they could be a request (RFC 9112, 7.1.2).",
        lambda request: not all(map(HEADER_FIELD_RE.match, request.trailer.split(b"\r\n")[:-2])),
    ),
    Stricter(
        "Empty lines before a request end in CR LF (RFC 9112, 2.2); waitress skips other white space, too.",
        lambda request: request.head.replace(b"\r\n", b"").startswith((b"\r", b"\n")),
        may=True,
    ),
]


def stricter_than_waitress(request: Parsed) -> Stricter | None:
    """Return why the server refuses a request that waitress serves."""
    return next((rule for rule in STRICTER if rule.applies(request)), None)


def waitress_closes_needlessly(request: Parsed, answer: Answer) -> bool:
    """Return whether waitress closes after a response only because it has no length; the server may continue.

    A chunked response marks its own end, and so does a response whose status has no body.
    """
    is_bounded = answer.headers.get("transfer-encoding") == "chunked" or answer.status in (204, 304)
    return is_bounded and not request.closes


def may_close_after(request: Parsed, answer: Answer) -> bool:
    """Return whether the server may close where waitress continues.

    It does so if the response has no length, and if it refuses a request before its body has arrived, because an
    unauthorized client must not fill the memory.
    """
    if answer.headers.get("connection") != "close":
        return False
    return "content-length" not in answer.headers or (request.has_body and answer.status >= 400)


def values(request: Parsed, name: bytes) -> list[bytes]:
    """Return the values of a header, in lower case."""
    pairs = (line.partition(b":") for line in _lines(request))
    return [value.strip(b" \t").lower() for found, _, value in pairs if found.lower() == name]


def _lines(request: Parsed) -> list[bytes]:
    return request.head.lstrip().split(b"\r\n")[1:-2]


def _has_one_length(request: Parsed) -> bool:
    codings = values(request, b"transfer-encoding")
    if not codings:
        return True
    return codings == [b"chunked"] and not values(request, b"content-length") and request.version == "1.1"
