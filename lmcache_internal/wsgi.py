"""The entry point for WSGI servers: `gunicorn 'lmcache_internal.wsgi:create_app()'`, waitress-serve, `flask run`."""

from __future__ import annotations

import os
import pkgutil
import threading
from collections.abc import Callable
from typing import Any

from .app import InternalApp
from .app import create_app as assemble
from .engine.embedded import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata
from .engine.embedded.metadata import EXAMPLE_MODEL, example_kv_shape
from .errors import ConfigError
from .system.worker_processes import warn_of_siblings

VARIABLE = "LMCACHE_INTERNAL_ADAPTER"

_SHAPE = ("config", "lmcache_engine", "lmcache_engine_metadata")


def create_app() -> InternalApp:
    """Assemble the internal API of the engine that the environment names.

    `LMCACHE_INTERNAL_ADAPTER=module:callable` names a function that returns the manager. Without it, the app serves one
    worker of the embedded engine, with the YAML file that `LMCACHE_CONFIG_FILE` names.

    Raises:
        ConfigError: the variable, its target, or the configuration is invalid.
        PluginError: one of the built-in endpoint files is broken.
    """
    make = _factory()
    app = assemble(make())
    app.before_request(_EnginePerProcess(app, make).ensure)
    return app


class _EnginePerProcess:
    """Gives each process its own engine: neither threads nor connections survive a fork (gunicorn --preload).

    Args:
        app: the app whose engine is replaced.
        make: returns a new manager.
    """

    def __init__(self, app: InternalApp, make: Callable[[], Any]) -> None:
        self._app = app
        self._make = make
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """In a forked child, replace the parent's engine with a new one."""
        warn_of_siblings()
        if self._owner == os.getpid():
            return
        with self._lock:
            if self._owner != os.getpid():
                self._app.state.lmcache_adapter = self._make()
                self._owner = os.getpid()


def _factory() -> Callable[[], Any]:
    name = os.environ.get(VARIABLE)
    return (lambda: _load_manager(name)) if name else _embedded_worker


def _embedded_worker() -> EmbeddedManager:
    config = EmbeddedConfig.from_env()
    return EmbeddedManager(config, EmbeddedMetadata(EXAMPLE_MODEL, example_kv_shape(config.chunk_size)))


def _load_manager(name: str) -> Any:
    """Return the manager that the callable `name` makes, after checking it."""
    try:
        factory = pkgutil.resolve_name(name)
    except Exception as error:  # An import may fail with any exception.
        raise _unusable(name, f"it cannot be imported: {_describe(error)}") from error
    if not callable(factory):
        raise _unusable(name, f"a {type(factory).__name__} cannot be called")
    try:
        manager = factory()
    except Exception as error:  # A call too.
        raise _unusable(name, f"calling it raised {_describe(error)}") from error
    missing = [attribute for attribute in _SHAPE if not hasattr(manager, attribute)]
    if missing:
        raise _unusable(name, f"the {type(manager).__name__} that it returned has no {', '.join(missing)}")
    _stop_at_exit(manager)
    return manager


def _stop_at_exit(manager: Any) -> None:
    """Call the manager's `stop_services`, if it has one, when this process ends."""
    owner = os.getpid()

    def stop() -> None:
        if owner == os.getpid():  # Not in a forked child: the threads belong to the parent.
            manager.stop_services()

    if hasattr(manager, "stop_services"):
        # LMCache has a thread that is not a daemon. Python waits for it before it runs `atexit` functions.
        threading._register_atexit(stop)  # type: ignore[attr-defined]  # As concurrent.futures does.


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _unusable(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{VARIABLE}={name!r} is invalid: {why}. Set it to module:callable, a function without arguments that "
        "returns an LMCacheManager, or unset it for the embedded engine."
    )
