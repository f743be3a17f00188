"""Views that return what they received, and views with each kind of HTTP response."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO

from flask import Blueprint, Response, jsonify, request, send_file, stream_with_context

from lmcache_internal.api import SEND_504_AFTER_KEY, internal_app

router = Blueprint("wire", __name__)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@router.route("/echo", methods=METHODS)
def echo() -> Response:
    """Return the request as the app sees it."""
    return jsonify(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        headers=dict(sorted(request.headers.items())),
        body=request.get_data().decode("latin-1"),
    )


@router.route("/unread", methods=METHODS)
def unread() -> str:
    """Respond without reading the body."""
    return "unread"


@router.get("/slow")
def slow() -> str:
    """Respond when the `Hold` in `app.state.hold` is released; without one, after 0.8 s."""
    hold = getattr(internal_app().state, "hold", None)
    if hold is None:
        time.sleep(0.8)
    else:
        hold.begun.release()
        hold.released.wait(30)
    return "slow"


@router.get("/stream")
def stream() -> Response:
    """Stream three chunks without Content-Length."""

    def pieces() -> Iterator[bytes]:
        yield from (b"one,", b"two,", b"three")

    return Response(pieces(), mimetype="text/plain")


@router.get("/late")
def late() -> Response:
    """Let the server respond with 504 after 0.1 s, then do as `/slow`; with `?begun`, begin the response before."""

    def pieces() -> Iterator[str]:
        if "begun" in request.args:
            yield "begun, "
        yield slow()

    request.environ[SEND_504_AFTER_KEY](0.1, lambda: "It is late")
    return Response(stream_with_context(pieces()), mimetype="text/plain")


@router.get("/nothing")
def nothing() -> Response:
    """Respond with a status that has no body: 204, 304."""
    return Response(status=request.args["status"])


@router.get("/file")
def file() -> Response:
    """Respond with a file."""
    return send_file(BytesIO(b"a file"), mimetype="text/plain")
