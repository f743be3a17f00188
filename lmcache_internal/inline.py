"""Requests that the server's loop answers itself: no other thread has to get its turn for them.

In a process whose other threads are busy, each hand-over from one thread to another waits for the
interpreter's lock, 5 ms at a time. What is answered from memory at once spares that. Delete this
file, and `inline=` and `leave_the_loop()` with it, and all requests go to the pool.
"""

from __future__ import annotations

from flask import Flask, has_request_context, request

INLINE_KEY = "lmcache_internal.inline"
"""WSGI environ key: whether the loop waits for this answer."""


class HandOver(BaseException):  # No error: nothing that handles errors may take it for one.
    """The request turns out not to be one for the loop; a thread of the pool begins it anew."""


def leave_the_loop() -> None:
    """Go on only where waiting holds up nobody else: a request that the loop is answering is given to the pool."""
    if has_request_context() and request.environ.get(INLINE_KEY):
        raise HandOver


def inline_paths(app: Flask) -> frozenset[str]:
    """The paths of the views that are declared `inline`."""
    return frozenset(
        rule.rule
        for rule in app.url_map.iter_rules()
        if not rule.arguments and "GET" in (rule.methods or ()) and _is_inline(app, rule.endpoint)
    )


def _is_inline(app: Flask, endpoint: str) -> bool:
    return bool(getattr(app.view_functions[endpoint], "inline", False))
