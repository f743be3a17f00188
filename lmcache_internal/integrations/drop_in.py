"""The classes that replace LMCache's internal API server. Their errors never stop the engine."""

from __future__ import annotations

from typing import Any

import lmcache_internal  # It imports the server only on first use, because vLLM calls the plugin in every process.

from ..redaction.log_lines import get_logger

logger = get_logger(__name__)

_WITHOUT_FALLBACK = (
    "Nothing is served, and the engine continues without it. Fix the error and restart. To use LMCache's own server "
    "in such a case, which requires no token, set LMCACHE_INTERNAL_API_SERVER=lmcache_internal?"
)
_WITH_FALLBACK = (
    "LMCache's own server is created instead, which requires no token, because "
    "LMCACHE_INTERNAL_API_SERVER=lmcache_internal? allows it"
)


class DropInServer:
    """This server with the interface that LMCache's managers expect.

    LMCache disables its whole cache if the constructor raises, and vLLM does not start if `start` raises. So neither
    raises: the error is logged once, and nothing is served.

    Attributes:
        original: the class of LMCache that this class replaces.
        falls_back: whether to create `original` if this server cannot be created.
    """

    original: type = object
    falls_back = False

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._server: Any = None
        try:
            self._server = self._make(*arguments, **named)
        except Exception as error:  # No error of the server may disable the cache of the engine.
            self._report(error)
            if self.falls_back:
                self._server = self._make_original(*arguments, **named)
        self.enable = bool(getattr(self._server, "enable", False))
        self.port = getattr(self._server, "port", 0)
        self.socket_path = getattr(self._server, "socket_path", None)
        self.app = getattr(self._server, "app", None)

    def start(self) -> None:
        """Start to serve. An error is logged, not raised."""
        if self._server is None:
            return
        try:
            self._server.start()
        except Exception as error:  # No error of the server may stop the engine.
            logger.error("The internal API server cannot start; the engine continues without it: %s", error)
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
        except Exception:  # No error of the server may stop the engine.
            logger.exception("LMCache's own internal API server cannot be created; the engine continues without it")
            return None

    def _report(self, error: Exception) -> None:
        logger.error(
            "The internal API server cannot be created: %s. %s",
            str(error).rstrip("."),
            _WITH_FALLBACK if self.falls_back else _WITHOUT_FALLBACK,
            exc_info=not isinstance(error, (ValueError, ImportError)),  # Their messages are enough.
        )


class RefusingServer(DropInServer):
    """A replacement that serves nothing, for a server of LMCache that this server cannot replace.

    Attributes:
        reason: the reason, and what to do.
    """

    reason = ""

    def _make(self, *_: Any, **__: Any) -> Any:
        raise ImportError(self.reason)


def replacement_of(original: type, base: type[DropInServer], **attributes: Any) -> type[DropInServer]:
    """Return a subclass of `base` that replaces `original`, with these class attributes."""
    return type(original.__name__, (base,), {"original": original, "__module__": base.__module__, **attributes})
