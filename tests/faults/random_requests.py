"""Random requests, each with the response that it must get, and the endpoints for them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

PLUGIN = '''
import time
from itertools import repeat

from flask import Blueprint, Response, request

from lmcache_internal.api import SEND_504_AFTER_KEY, Role, operation

router = Blueprint("concurrent", __name__)
BODY = b"0123456789abcdef" * (20 << 16)


@router.route("/sized/<int:size>", methods=["GET", "POST"])
@operation(action="send a body of a size", access=Role.VIEWER, cheap=True)
def sized(size: int) -> Response:
    """Return the first bytes of BODY, after those of the request's body."""
    return Response(request.get_data() + BODY[:size])


@router.get("/streamed/<int:size>")
@operation(action="stream a body of a size", access=Role.PUBLIC, cheap=True)
def streamed(size: int) -> Response:
    """Return the first bytes of BODY in chunks."""
    return Response(BODY[start : min(size, start + 8192)] for start in range(0, size, 8192))


@router.get("/status/<int:status>")
@operation(action="send a status without a body", access=Role.PUBLIC, cheap=True)
def status(status: int) -> Response:
    """Return a status."""
    return Response(status=status)


@router.get("/late/<int:milliseconds>")
@operation(action="respond at the moment of the timeout", access=Role.PUBLIC, cheap=True)
def late(milliseconds: int) -> Response:
    """Respond after a while; the event loop sends 504 at about the same time."""
    request.environ[SEND_504_AFTER_KEY](0.01, lambda: "late")
    time.sleep(milliseconds / 1000)
    return Response(BODY[:100])
'''
BODY = b"0123456789abcdef" * (20 << 16)


class Request(NamedTuple):
    """A request and its response.

    Attributes:
        sent: its bytes.
        method: its method.
        status: the allowed statuses.
        body: the body of the response with the first of `status`; None if any is allowed.
        closes: whether the server closes the connection after the response.
    """

    sent: bytes
    method: str
    status: tuple[int, ...]
    body: bytes | None
    closes: bool = False


def _head(method: str, path: str, *headers: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]).encode()


def _size(chance: random.Random) -> int:
    return chance.choice([0, 1, 100, 8192, 50_000, 200_000, chance.randrange(1 << 20), 1, 1, 1])


def _sized(chance: random.Random) -> Request:
    size, method = _size(chance), chance.choice(["GET", "GET", "HEAD"])
    return Request(_head(method, f"/sized/{size}"), method, (200,), BODY[:size] if method == "GET" else b"")


def large(chance: random.Random) -> Request:
    size = chance.randrange(1 << 20, 20 << 20)
    return Request(_head("GET", f"/sized/{size}"), "GET", (200,), BODY[:size])


def _streamed(chance: random.Random) -> Request:
    size = _size(chance)
    return Request(_head("GET", f"/streamed/{size}"), "GET", (200,), BODY[:size])


def _inline(_: random.Random) -> Request:
    return Request(_head("GET", "/livez"), "GET", (200,), None)


def _probe(_: random.Random) -> Request:
    return Request(_head("GET", "/readyz"), "GET", (200, 503), None)


def _without_body(chance: random.Random) -> Request:
    status = chance.choice([204, 304])
    return Request(_head("GET", f"/status/{status}"), "GET", (status,), b"")


def _upload(chance: random.Random) -> Request:
    body = chance.randbytes(chance.choice([1, 10, 9000, 200_000]))
    expect = ["Expect: 100-continue"] if chance.random() < 0.3 else []
    if chance.random() < 0.5:
        head = _head("POST", "/sized/10", f"Content-Length: {len(body)}", *expect)
        return Request(head + body, "POST", (200,), body + BODY[:10])
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:]) if part)
    head = _head("POST", "/sized/10", "Transfer-Encoding: chunked", *expect)
    return Request(head + chunks + b"0\r\n\r\n", "POST", (200,), body + BODY[:10])


def _refused(chance: random.Random) -> Request:
    body = bytes(chance.choice([1, 5000, 300_000]))
    head = _head("POST", "/nothing/here", f"Content-Length: {len(body)}")
    return Request(head + body, "POST", (404,), None, closes=True)


def _unauthorized(_: random.Random) -> Request:
    return Request(_head("GET", "/conf", "Via: 1.1 proxy"), "GET", (401,), None)


def _malformed(chance: random.Random) -> Request:
    line = chance.choice(
        [b"G@T / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\n b: c\r\n\r\n"]
    )
    return Request(line, "GET", (400,), None, closes=True)


def _last(chance: random.Random) -> Request:
    size = _size(chance)
    return Request(_head("GET", f"/sized/{size}", "Connection: close"), "GET", (200,), BODY[:size], closes=True)


def _late(chance: random.Random) -> Request:
    # The event loop looks for late responses once per sweep.
    return Request(_head("GET", f"/late/{chance.randrange(300)}"), "GET", (200, 504), BODY[:100])


KINDS: list[Callable[[random.Random], Request]] = [
    *(_sized, _sized, _sized, _inline, _inline, _streamed, _without_body, _upload, _upload, _probe, _unauthorized),
    *(_refused, _malformed, _last, _late),
]
