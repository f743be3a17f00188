"""Take one part of the server out, as if it had never been written. The measured process calls this before it starts.

Each part has its own file, whose docstring says how to remove it for good.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def _inline() -> None:
    from lmcache_internal.serving import transport

    _replace(transport, "inline_paths", lambda _app: frozenset())


def _gil_sockets() -> None:
    from lmcache_internal.serving import transport

    _replace(transport, "is_available", lambda: False)


def _cpu_budget() -> None:
    from lmcache_internal.serving.cpu_budget import LoopBudget, WorkerBudget

    _replace(LoopBudget, "yield_gil", lambda _self, _last_pause: None)
    _replace(LoopBudget, "throttle", lambda _self: None)
    _replace(WorkerBudget, "throttle", lambda _self: None)


def _header_cache() -> None:
    from waitress.task import WSGITask

    from lmcache_internal.serving.header_cache import CachingParser, CachingTask
    from lmcache_internal.serving.request_parser import Parser

    _replace(CachingParser, "received", Parser.received)
    _replace(CachingTask, "build_response_header", WSGITask.build_response_header)


def _fewer_wakes() -> None:
    from lmcache_internal.serving.connection import Channel

    _replace(Channel, "_needs_loop", True)


def _flask_fastpath() -> None:
    from flask import Flask
    from flask.sessions import SecureCookieSessionInterface

    from lmcache_internal.operations.flask_fastpath import LeanFlask

    _replace(LeanFlask, "__init__", lambda self, name: Flask.__init__(self, name, None, None, None))
    for name in ("create_url_adapter", "ensure_sync"):
        _replace(LeanFlask, name, getattr(Flask, name))
    _replace(LeanFlask, "session_interface", SecureCookieSessionInterface())


def _renderer() -> None:
    from lmcache_internal.metrics.renderer import Renderer

    _replace(Renderer, "render", lambda self, registry: self._encoder(registry))


def _kept_series() -> None:
    from lmcache_internal.metrics.kept_series import KeptSeries

    _replace(KeptSeries, "collect", lambda self: self._registry.collect())


def _process_metrics() -> None:
    from lmcache_internal.metrics import process

    _replace(process, "keep_lock", lambda: None)


def _replace(owner: Any, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{owner.__name__} has no {name} any more; benchmarks/without.py must follow")
    setattr(owner, name, value)


PARTS: dict[str, Callable[[], None]] = {
    "serving/inline.py": _inline,
    "serving/gil_sockets.py": _gil_sockets,
    "serving/cpu_budget.py": _cpu_budget,
    "serving/header_cache.py": _header_cache,
    "waking the event loop only if needed": _fewer_wakes,
    "operations/flask_fastpath.py": _flask_fastpath,
    "metrics/renderer.py": _renderer,
    "metrics/kept_series.py": _kept_series,
    "metrics/process.py": _process_metrics,
}
"""Each part that only makes the server faster, or disturbs the engine less, and how to take it out."""
