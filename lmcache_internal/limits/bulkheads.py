"""Bulkheads: what the views of plugins may take of the server, so that one that never returns stops no other.

Each view has a number of places. A request holds one from its authorization to the end of its response, streamed ones
included, whatever blocks in between: the view, a hook of its blueprint, or a generator. Plain Flask views, cheap
operations, and the hooks before any view have a timeout besides; any other @operation has its own.
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
from .deadlines import call_within

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from ..app import InternalApp

VIEW_PLACES = 16
"""How many requests of one plugin view may be under way, unless it has a limit of its own."""

_PLACE_KEY = "lmcache_internal.place"


class Bulkheads:
    """The bounds of all plugin views of an app.

    Args:
        limit: the limit of all of them together.

    Attributes:
        in_use: whether there are any; most apps have no plugins, and need nothing of this.
    """

    def __init__(self, limit: ConcurrencyLimit) -> None:
        self.in_use = False
        self._limit = limit
        self._views: dict[str, ConcurrencyLimit] = {}
        self._timed: set[str] = set()

    def add(self, app: Flask, blueprint: str) -> None:
        """Bound what the plugin that is registered under the name `blueprint` has brought along."""
        if not self.in_use:
            self.in_use = True
            app.after_request(_note_stream)
        for hooks in (app.url_value_preprocessors, app.before_request_funcs):
            for name, functions in hooks.items():
                if _belongs(name, blueprint):
                    functions[:] = [_timed(function, blueprint) for function in functions]
        for endpoint, view in app.view_functions.items():
            if _belongs(endpoint, blueprint):
                is_operation = hasattr(view, "answers")
                own_limit: LimitName | None = getattr(view, "limit", None) if is_operation else None
                self._views[endpoint] = (
                    ConcurrencyLimit(LIMITS[own_limit]) if own_limit else ConcurrencyLimit(VIEW_PLACES, self._limit)
                )
                if not is_operation or (getattr(view, "cheap", False) and not getattr(view, "inline", False)):
                    self._timed.add(endpoint)

    def bounds(self, endpoint: str | None) -> bool:
        """Whether a plugin serves `endpoint`."""
        return endpoint in self._views

    def enter(self) -> None:
        """Take a place for the current request, if a plugin serves it; raises `Busy` where there is none (503)."""
        limit = self._views.get(request.endpoint or "")
        if limit is not None:
            environ = request.environ
            environ[_PLACE_KEY] = _Place(limit.take(f"answer {_name()}"))
            # Another thread may still read the body when this one has given up waiting for it.
            body = get_input_stream(environ, max_content_length=request.max_content_length).read()
            environ["wsgi.input"] = BytesIO(body)

    def call(self, dispatch: Callable[[], Any], app: InternalApp) -> Any:
        """Call the view of the current request by `dispatch`; raises `CallTimedOut` where a plain one is late (504)."""
        if request.endpoint in self._timed:
            return call_within(_name(), dispatch, app.call_timeout)
        return dispatch()


class _Place:
    """The place of a request."""

    is_streamed = False

    def __init__(self, release: Callable[[], object]) -> None:
        self.release = release


_NO_PLACE = _Place(lambda: None)


def _note_stream(response: Response) -> Response:
    """Keep the place of the current request until its response has been sent, if that is made piece by piece."""
    place = request.environ.get(_PLACE_KEY)
    if place is not None:
        place.is_streamed = response.is_streamed
    return response


def leaving(environ: WSGIEnvironment, answer: Callable[[], Iterable[bytes]]) -> Iterable[bytes]:
    """Return the chunks that `answer` returns, and give the place of its request back when they are sent."""
    try:
        chunks = answer()
    except BaseException:  # Whatever it is, the request is over.
        environ.pop(_PLACE_KEY, _NO_PLACE).release()
        raise
    place = environ.pop(_PLACE_KEY, _NO_PLACE)
    if place.is_streamed:
        return _Stream(chunks, place.release)
    place.release()
    return chunks


class _Stream:
    """Chunks of a response; calls `release` at their end, when they are closed, or when nobody has them any more."""

    def __init__(self, chunks: Iterable[bytes], release: Callable[[], object]) -> None:
        self._chunks = chunks
        self._iterator = iter(chunks)
        self._release = weakref.finalize(self, release)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self._iterator)
        except BaseException:  # StopIteration above all.
            self._release()
            raise

    def close(self) -> None:
        try:
            close = getattr(self._chunks, "close", None)
            if close is not None:
                close()
        finally:
            self._release()


def _belongs(name: str | None, blueprint: str) -> bool:
    """Whether an endpoint or a nested blueprint is one of `blueprint`."""
    return name is not None and f"{name}.".startswith(f"{blueprint}.")


def _name() -> str:
    return f"{request.method} {request.url_rule}"


def _timed(hook: Callable[..., Any], blueprint: str) -> Callable[..., Any]:
    """A hook that runs before the views of a blueprint, with a timeout."""
    name = f"run {getattr(hook, '__name__', hook)} of {blueprint}"

    @functools.wraps(hook, updated=())
    def timed(*arguments: Any) -> Any:
        app = cast("InternalApp", current_app)
        return call_within(name, functools.partial(app.ensure_sync(hook), *arguments), app.call_timeout)

    return timed
