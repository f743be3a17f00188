"""Views that show what has arrived, and views that answer in each way that HTTP has."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import Blueprint, Response, jsonify, request

router = Blueprint("wire", __name__)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


@router.route("/echo", methods=METHODS)
def echo() -> Response:
    """The request, as the application sees it."""
    return jsonify(
        method=request.method,
        path=request.path,
        query=request.query_string.decode("latin-1"),
        headers=dict(sorted(request.headers.items())),
        body=request.get_data().decode("latin-1"),
    )


@router.route("/unread", methods=METHODS)
def unread() -> str:
    """An answer that does not look at the body."""
    return "unread"


@router.get("/slow")
def slow() -> str:
    """An answer that takes its time."""
    time.sleep(0.8)
    return "slow"


@router.get("/stream")
def stream() -> Response:
    """Three pieces, whose length nobody knows before."""

    def pieces() -> Iterator[bytes]:
        yield from (b"one,", b"two,", b"three")

    return Response(pieces(), mimetype="text/plain")


@router.get("/nothing")
def nothing() -> Response:
    """An answer that has no body by its status: 204, 304."""
    return Response(status=request.args["status"])
