"""Which views the event loop answers itself.

Each hand-over from one thread to another waits for the interpreter's lock, up to 5 ms where another thread of the
engine runs Python without a pause. A view that only reads memory needs no hand-over. Whether a request is answered in
the event loop is decided once, when its head is complete, and never changes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from flask import Flask


def inline_paths(app: Flask) -> frozenset[str]:
    """The paths of the GET views that are declared `inline`."""
    return frozenset(
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.arguments
        and "GET" in (rule.methods or ())
        and getattr(app.view_functions[rule.endpoint], "inline", False)
    )


def is_inline(request: Any, paths: Collection[str]) -> bool:
    """Whether the event loop answers a request itself, instead of a worker thread.

    Arguments and bodies take parsing, and a token may have to be looked up in a file: such requests may block.

    Args:
        request: a request that is complete, as waitress' parser has it.
        paths: those of the views that are declared `inline`.
    """
    return (
        request.path in paths
        and request.command in ("GET", "HEAD")
        and request.body_rcv is None
        and not request.query
        and "AUTHORIZATION" not in request.headers
    )
