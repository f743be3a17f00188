"""Bulkheads: concurrency limits for plugin views, so that a view that never returns does not block other requests.

Each view has a number of slots. A request holds a slot from its authorization to the end of its response, including
streamed responses. So the limit covers the view, the hooks of its blueprint, and generators. Plain Flask views, cheap
operations, and hooks that run before any plugin view also have a timeout; any other `@operation` has its own.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from flask import Flask, Response, current_app, request
from werkzeug.wsgi import get_input_stream

from .concurrency import LIMITS, ConcurrencyLimit, LimitName
from .timeouts import call_within

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from ..app import InternalApp

MAX_REQUESTS_PER_VIEW = 16
"""Concurrent requests to one plugin view that declares no limit."""

_SLOT_KEY = "lmcache_internal.slot"


class Bulkheads:
    """The concurrency limits of all plugin views of an app.

    Args:
        limit: the limit for all plugin views together.

    Attributes:
        in_use: whether the app has plugins. Without plugins, the app skips the bulkheads.
    """

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.in_use = False
        self._limit = limit
        self._views: dict[str, ConcurrencyLimit] = {}
        self._timed: set[str] = set()

    def add(self, app: Flask, blueprint: str) -> None:
        """Limit the views and hooks of the plugin that is registered as `blueprint`."""
        if not self.in_use:
            self.in_use = True
            app.after_request(_note_kept)
        for hooks in (app.url_value_preprocessors, app.before_request_funcs):
            for name, functions in hooks.items():
                if _belongs(name, blueprint):
                    functions[:] = [_timed(function, blueprint) for function in functions]
        for endpoint, view in app.view_functions.items():
            if _belongs(endpoint, blueprint):
                is_operation = hasattr(view, "answers")
                own_limit: LimitName | None = getattr(view, "limit", None) if is_operation else None
                self._views[endpoint] = (
                    ConcurrencyLimit(LIMITS[own_limit])
                    if own_limit
                    else ConcurrencyLimit(MAX_REQUESTS_PER_VIEW, self._limit)
                )
                if not is_operation or (getattr(view, "cheap", False) and not getattr(view, "inline", False)):
                    self._timed.add(endpoint)

    def bounds(self, endpoint: str | None) -> bool:
        """Return whether `endpoint` is a plugin view."""
        return endpoint in self._views

    def enter(self) -> None:
        """Acquire a slot for the current request if its view belongs to a plugin.

        Raises:
            Busy: all slots are in use (503).
        """
        limit = self._views.get(request.endpoint or "")
        if limit is not None:
            environ = request.environ
            environ[_SLOT_KEY] = _Slot(limit.acquire(f"answer {_name()}"))
            # A view that has timed out may still read the body while the server reuses the connection.
            body = get_input_stream(environ, max_content_length=request.max_content_length).read()
            environ["wsgi.input"] = BytesIO(body)

    def call(self, dispatch: Callable[[], Any], app: InternalApp) -> Any:
        """Call the view of the current request through `dispatch`.

        Raises:
            CallTimedOut: a plain view or a cheap operation takes more than `app.call_timeout` seconds (504).
        """
        if request.endpoint in self._timed:
            return call_within(_name(), dispatch, app.call_timeout)
        return dispatch()


class _Slot:
    """The slot that a request holds.

    Attributes:
        is_kept: whether it is held until the response is closed, because code of the plugin runs until then.
    """

    is_kept = False

    def __init__(self, release: Callable[[], object]) -> None:
        self.release = release


_NO_SLOT = _Slot(lambda: None)


def _note_kept(response: Response) -> Response:
    """Mark the slot of the current request if plugin code runs after the view, to send or to close the response."""
    slot = request.environ.get(_SLOT_KEY)
    if slot is not None:
        slot.is_kept = response.is_streamed or bool(response._on_close)
    return response


def release_after(environ: WSGIEnvironment, answer: Callable[[], Iterable[bytes]]) -> Iterable[bytes]:
    """Return the chunks that `answer` returns, and release the slot of the request when they are sent."""
    try:
        chunks = answer()
    except BaseException:  # The request has ended, whatever was raised.
        environ.pop(_SLOT_KEY, _NO_SLOT).release()
        raise
    slot = environ.pop(_SLOT_KEY, _NO_SLOT)
    if slot.is_kept:
        return _Stream(chunks, slot.release)
    slot.release()
    return chunks


class _Stream:
    """Chunks of a response; calls `release` after its `close`, which may hang too, or when the object is freed."""

    def __init__(self, chunks: Iterable[bytes], release: Callable[[], object]) -> None:
        self._chunks = chunks
        self._release = weakref.finalize(self, release)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)

    def close(self) -> None:
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            self._release()


def _belongs(name: str | None, blueprint: str) -> bool:
    """Return whether an endpoint or a nested blueprint belongs to `blueprint`."""
    return name is not None and f"{name}.".startswith(f"{blueprint}.")


def _name() -> str:
    return f"{request.method} {request.url_rule}"


def _timed(hook: Callable[..., Any], blueprint: str) -> Callable[..., Any]:
    """Return `hook`, which runs before the views of a blueprint, with a timeout."""
    name = f"run {getattr(hook, '__name__', hook)} of {blueprint}"

    @functools.wraps(hook, updated=())
    def timed(*arguments: Any) -> Any:
        app = cast("InternalApp", current_app)
        return call_within(name, functools.partial(app.ensure_sync(hook), *arguments), app.call_timeout)

    return timed
