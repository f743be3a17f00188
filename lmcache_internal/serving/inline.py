"""The views that the event loop serves itself.

Each switch to another thread waits for the GIL, up to 5 ms if an engine thread runs Python without a pause. A view that
only reads memory does not need another thread. The decision is made once per request, when its head is complete, and
never changes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Flask


def inline_paths(app: Flask) -> frozenset[str]:
    """Return the paths of the GET views that are declared `inline`."""
    return frozenset(
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.arguments
        and "GET" in (rule.methods or ())
        and getattr(app.view_functions[rule.endpoint], "inline", False)
    )


def is_inline(request: Any, paths: Collection[str]) -> bool:
    """Return whether the event loop serves a request itself, instead of a worker thread.

    Requests with arguments, a body or a token use a worker thread: arguments and bodies must be parsed, and a token is
    looked up in a file, which may block.

    Args:
        request: a complete request, from waitress' parser.
        paths: the paths of the views that are declared `inline`.
    """
    return (
        request.path in paths
        and request.command in ("GET", "HEAD")
        and request.body_rcv is None
        and not request.query
        and "AUTHORIZATION" not in request.headers
    )
