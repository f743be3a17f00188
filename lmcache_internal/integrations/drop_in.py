"""The classes that stand in for LMCache's internal API server: whatever happens, the engine goes on."""

from __future__ import annotations

from typing import Any

import lmcache_internal  # The server itself is imported where one is built: vLLM calls the plugin in every process.

from ..log_lines import get_logger

logger = get_logger(__name__)

_NOTHING_SERVED = (
    "Nothing is served, and the engine goes on without it. Correct what the message names and restart, or set "
    "LMCACHE_INTERNAL_API_SERVER=lmcache_internal? to have LMCache's own server in such a case: it asks for no token"
)
_THEIRS_SERVED = (
    "LMCache's own server is built instead, which asks for no token: LMCACHE_INTERNAL_API_SERVER=lmcache_internal? "
    "allows it"
)


class DropInServer:
    """This server, as LMCache's managers expect theirs.

    LMCache gives up its whole cache when the constructor raises, and vLLM does not start when
    `start` does. So neither raises: the reason is logged once, and nothing is served.

    Attributes:
        original: LMCache's class, which this one replaces.
        falls_back: whether `original` is built where this server cannot be.
    """

    original: type = object
    falls_back = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._server: Any = None
        try:
            self._server = self._make(*arguments, **named)
        except Exception as error:  # Any mistake in it must not cost the engine its cache.
            self._report(error)
            if self.falls_back:
                self._server = self._make_original(*arguments, **named)
        self.enable = bool(getattr(self._server, "enable", False))
        self.port = getattr(self._server, "port", 0)
        self.socket_path = getattr(self._server, "socket_path", None)
        self.app = getattr(self._server, "app", None)

    def start(self) -> None:
        """Serve, if it can."""
        if self._server is None:
            return
        try:
            self._server.start()
        except Exception as error:  # Likewise.
            logger.error("The internal API server cannot start; the engine goes on without it: %s", error)
            self._server = None

    def stop(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.stop()

    def _make(self, lmcache_manager: Any) -> Any:
        return lmcache_internal.InternalAPIServer(lmcache_manager)

    def _make_original(self, *arguments: Any, **named: Any) -> Any:
        try:
            return self.original(*arguments, **named)
        except Exception:  # Likewise.
            logger.exception("LMCache's own internal API server cannot be built either; the engine goes on without it")
            return None

    def _report(self, error: Exception) -> None:
        logger.error(
            "The internal API server cannot be built: %s. %s",
            str(error).rstrip("."),
            _THEIRS_SERVED if self.falls_back else _NOTHING_SERVED,
            exc_info=not isinstance(error, (ValueError, ImportError)),  # Their messages say all there is to know.
        )


class RefusingServer(DropInServer):
    """In the place of a server of LMCache's that must not be served, and that this one cannot replace.

    Attributes:
        reason: why not, and what to do.
    """

    reason = ""

    def _make(self, *_: Any, **__: Any) -> Any:
        raise ImportError(self.reason)


def stand_in(original: type, base: type[DropInServer], **attributes: Any) -> type[DropInServer]:
    """A subclass of `base` that replaces `original`, with `attributes` of the class."""
    return type(original.__name__, (base,), {"original": original, "__module__": base.__module__, **attributes})
