"""Replace `uvicorn.Server` in LMCache's MP server: run the engine, and serve this HTTP API beside it."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

from ..redaction.log_lines import get_logger
from .mp_fallback import FallbackServer

logger = get_logger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class MPServer:
    """Runs an MP server as `uvicorn.Server` would.

    The cache of the node comes first: whatever is wrong with the HTTP server, the engine runs.

    Args:
        config: uvicorn's; `app` is LMCache's FastAPI app, whose lifespan starts and stops the engine.
        config_file: the settings of this server, or None for the defaults.
    """

    def __init__(self, config: Any, config_file: str | None = None) -> None:
        self.config = config
        self._config_file = config_file
        self._received: int | None = None

    def run(self, sockets: Any = None) -> None:  # noqa: ARG002  # uvicorn's signature.
        """Serve until SIGTERM or SIGINT."""
        asyncio.run(self._serve())
        if self._received is not None:
            # uvicorn passes the signal on when all is closed, so that the process ends by it.
            signal.raise_signal(self._received)

    async def _serve(self) -> None:
        app, stopping, loop = self.config.app, asyncio.Event(), asyncio.get_running_loop()

        def stop(number: int) -> None:
            self._received = number
            stopping.set()

        async with app.router.lifespan_context(app):
            for number in _SIGNALS:
                loop.add_signal_handler(number, stop, number)
            server = await asyncio.to_thread(self._start)
            await stopping.wait()
            # Before the engine: requests in flight still find it.
            await asyncio.to_thread(server.stop)
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _start(self) -> Any:
        """The HTTP server, serving: this one, or where it cannot be built, one that only says that the engine runs."""
        try:
            server = built(self.config.app, self.config.host, self.config.port, self._config_file)
            server.start()
        except Exception as error:  # Any mistake in it must not cost the node its cache.
            logger.error(
                "The HTTP API of this server cannot be served, and the cache runs without it: only / and /healthcheck "
                "answer. Correct what the message names and restart: %s",
                error,
                exc_info=not isinstance(error, (ValueError, ImportError)),
            )
            server = FallbackServer(self.config.host, self.config.port)
            server.start()
        return server


def server_class(config_file: str | None) -> type[MPServer]:
    """Return a class that takes the arguments of `uvicorn.Server`.

    Args:
        config_file: the settings of this server, or None for the defaults.
    """

    class Server(MPServer):
        def __init__(self, config: Any) -> None:
            super().__init__(config, config_file)

    return Server


def built(app: Any, host: str, port: int, config_file: str | None) -> Any:
    """Return the server for the engine of LMCache's app, not started.

    Args:
        app: LMCache's FastAPI app.
        host: the address to bind.
        port: the TCP port.
        config_file: the settings of this server, or None for the defaults.

    Raises:
        ConfigError: a setting is unusable.
        ImportError: a package is missing.
    """
    # All that is not in Python itself is imported here: its failure must not stop the engine either.
    from .lmcache_logging import add_lmcache_handlers

    add_lmcache_handlers()
    from ..engine.mp.config import MPConfig
    from ..engine.mp.lmcache import LMCacheMPManager
    from ..server import InternalAPIServer

    manager = LMCacheMPManager(MPConfig.read(host, port, config_file), app.state)
    server = InternalAPIServer(manager)
    if server.app is None:
        raise ValueError("internal_api_server_include_index_list leaves nothing to serve")
    # LMCache's scripts for /run_script find the same names here.
    for name in ("engine", "configs", "context"):
        setattr(server.app.state, name, getattr(app.state, name, None))
    manager.worker_watch.start()
    _honor_keys(server.app, getattr(app.state, "http_authentication", None))
    return server


def _honor_keys(app: Any, authentication: Any) -> None:
    """Admit the API keys of LMCache (0.5.7), so that what was locked stays locked and its clients keep working."""
    if authentication is not None and authentication.enabled:
        app.state.gate.tokens.accept(authentication.verify_token, "lmcache-api-key")
