"""The way in for WSGI servers: `gunicorn 'lmcache_internal.wsgi:create_app()'`, waitress-serve, `flask run`."""

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
    """Assemble the internal API of the engine that the environment asks for.

    `LMCACHE_INTERNAL_ADAPTER=module:callable` names what makes the manager. Without it, there is
    one worker of the embedded engine, by the YAML file that `LMCACHE_CONFIG_FILE` names.

    Raises:
        ConfigError: the variable, what it names, or the configuration is unusable.
        PluginError: one of the built-in endpoint files is broken.
    """
    make = _factory()
    app = assemble(make())
    app.before_request(_PerProcess(app, make).ensure)
    return app


class _PerProcess:
    """Gives each process its own engine: neither threads nor connections survive a fork (gunicorn --preload).

    Args:
        app: serves the engine that this process has.
        make: makes another.
    """

    def __init__(self, app: InternalApp, make: Callable[[], Any]) -> None:
        self._app = app
        self._make = make
        self._owner = os.getpid()
        self._lock = threading.Lock()

    def ensure(self) -> None:
        """In a forked child, put its own engine in the place of its parent's, which is left alone."""
        warn_of_siblings()
        if self._owner == os.getpid():
            return
        with self._lock:
            if self._owner != os.getpid():
                self._app.state.lmcache_adapter = self._make()
                self._owner = os.getpid()


def _factory() -> Callable[[], Any]:
    name = os.environ.get(VARIABLE)
    return (lambda: _made_by(name)) if name else _embedded_worker


def _embedded_worker() -> EmbeddedManager:
    config = EmbeddedConfig.from_env()
    return EmbeddedManager(config, EmbeddedMetadata(EXAMPLE_MODEL, example_kv_shape(config.chunk_size)))


def _made_by(name: str) -> Any:
    """What the callable `name` returns, if it can be a manager."""
    try:
        factory = pkgutil.resolve_name(name)
    except Exception as error:  # A module may fail to import in any way.
        raise _unusable(name, f"it cannot be imported: {_told(error)}") from error
    if not callable(factory):
        raise _unusable(name, f"a {type(factory).__name__} cannot be called")
    try:
        manager = factory()
    except Exception as error:  # Likewise.
        raise _unusable(name, f"calling it raised {_told(error)}") from error
    missing = [attribute for attribute in _SHAPE if not hasattr(manager, attribute)]
    if missing:
        raise _unusable(name, f"the {type(manager).__name__} that it returned has no {', '.join(missing)}")
    _stop_at_exit(manager)
    return manager


def _stop_at_exit(manager: Any) -> None:
    """Have the manager's `stop_services`, if it has one, called when this process ends."""
    owner = os.getpid()

    def stop() -> None:
        if owner == os.getpid():  # Not in a forked child: the threads to be stopped are the parent's.
            manager.stop_services()

    if hasattr(manager, "stop_services"):
        # LMCache has a thread that is no daemon: Python waits for its end before it turns to `atexit`.
        threading._register_atexit(stop)  # type: ignore[attr-defined]  # As concurrent.futures does.


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _unusable(name: str, why: str) -> ConfigError:
    return ConfigError(
        f"{VARIABLE}={name!r} is unusable: {why}. Let it name, as module:callable, a function without arguments that "
        "returns an LMCacheManager, or unset it for the embedded engine."
    )
