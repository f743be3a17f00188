"""This HTTP API beside LMCache's own, in an MP server whose start command cannot be changed.

LMCache loads this module by its option `--server-module`:

    {"module_path": "lmcache_internal.integrations.lmcache_mp_module", "config": {"port": 8090}}

LMCache 0.5.6 calls `build_server_modules`; 0.5.7 looks for a subclass of its `DiscoverableModule`. LMCache's own
HTTP API stays open beside this one.
"""

from __future__ import annotations

import sys
from typing import Any

from ..redaction.log_lines import get_logger
from .mp_server import built

logger = get_logger(__name__)

DEFAULT_PORT = 8090
_HOMES = ("__main__", "lmcache.v1.multiprocess.http_server")
"""Where LMCache's app is: `python -m` runs the module under the first name, the command `lmcache server` imports it."""
_KEYS = frozenset({"host", "port", "config_file"})


class Beside:
    """The server beside LMCache's, as one of the modules of its engine; no exception of it reaches LMCache."""

    def __init__(self, context: Any, config: Any) -> None:
        self._context = context
        self._server: Any = None
        try:
            self._server = _started(dict(config))
        except Exception as error:  # Any mistake in it would cost the node its cache.
            logger.error(
                "The HTTP API beside LMCache's cannot be served, and the cache runs without it. Correct what the "
                "message names and restart: %s",
                error,
                exc_info=not isinstance(error, (ValueError, ImportError)),
            )

    @property
    def context(self) -> Any:
        """LMCache's context of the server."""
        return self._context

    def report_status(self) -> dict[str, Any]:
        """Return where it listens, for `/status`."""
        return {"lmcache_internal": {"address": str(self._server.address) if self._server else None}}

    def close(self) -> None:
        """Stop serving; it calls nothing of the engine, which is ending."""
        if self._server is not None:
            self._server.stop()


def build_server_modules(build: Any) -> Beside:
    """Return the module for LMCache 0.5.6."""
    return Beside(build.server_context, build.config)


def _started(config: dict[str, Any]) -> Any:
    from .lmcache_logging import add_lmcache_handlers  # Its failure must not reach LMCache either.

    add_lmcache_handlers()
    unknown = sorted(config.keys() - _KEYS)
    if unknown:
        raise ValueError(f"--server-module: unknown key {unknown[0]} in config; known are: {', '.join(sorted(_KEYS))}")
    host, port = config.get("host", "127.0.0.1"), config.get("port", DEFAULT_PORT)
    if not isinstance(host, str) or not isinstance(port, int):
        raise ValueError(f"--server-module: expected a host name and a port in config, got {host!r} and {port!r}")
    server = built(_app(), host, port, config.get("config_file"))
    server.start()
    logger.warning(
        "The HTTP API on %s is beside LMCache's own, which stays open and has no roles: bind that to loopback",
        server.address,
    )
    return server


def _app() -> Any:
    found = (getattr(sys.modules.get(home), "app", None) for home in _HOMES)
    app = next((app for app in found if hasattr(getattr(app, "state", None), "configs")), None)
    if app is None:
        raise ValueError("LMCache's HTTP app is not in this process: start `lmcache server`")
    return app


try:
    from lmcache.v1.multiprocess.engine_module import DiscoverableModule
except ImportError:  # LMCache 0.5.6 calls the function above.
    pass
else:

    class BesideModule(Beside, DiscoverableModule):  # type: ignore[misc]  # LMCache has no types.
        """The module for LMCache 0.5.7, built after the others."""

        module_name = "lmcache_internal"
        deferred = True

        @classmethod
        def create(cls, build_ctx: Any) -> BesideModule:
            """Return the module."""
            return cls(build_ctx.engine_context, build_ctx.config_for(cls))
