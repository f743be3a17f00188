"""LMCache with this server in the place of its own, without editing LMCache.

- `install()` makes LMCache build this server wherever it would build its own.
- vLLM calls `vllm_plugin` in each of its processes (entry point `vllm.general_plugins`); it
  installs when LMCACHE_INTERNAL_API_SERVER=lmcache_internal is set.
- `python -m lmcache_internal.integrations.lmcache …` runs LMCache's standalone engine so.
"""

from __future__ import annotations

import importlib
import logging
import os
import runpy
import sys
from types import ModuleType
from typing import Any

import lmcache_internal  # The server itself is imported where one is built: vLLM calls `vllm_plugin` everywhere.

logger = logging.getLogger(__name__)

VARIABLE = "LMCACHE_INTERNAL_API_SERVER"
_CLASS = "InternalAPIServer"
_HOME = "lmcache.v1.internal_api_server.api_server"

_original: type | None = None


class DropInServer:
    """This server, as LMCache's managers expect theirs: whatever happens, the engine goes on.

    LMCache gives up its whole cache when the constructor raises, and vLLM does not start when
    `start` does. So neither raises: the reason is logged once, and nothing is served.

    Args:
        lmcache_manager: the manager that builds it.
    """

    def __init__(self, lmcache_manager: Any) -> None:
        self._server: lmcache_internal.InternalAPIServer | None = None
        try:
            self._server = lmcache_internal.InternalAPIServer(lmcache_manager)
        except Exception:  # Any mistake in it must not cost the engine its cache.
            logger.exception("The internal API server cannot be built; the engine goes on without it")
        self.enable = self._server is not None and self._server.enable
        self.port = self._server.port if self._server else 0
        self.socket_path = self._server.socket_path if self._server else None
        self.app = self._server.app if self._server else None

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


def install() -> None:
    """Make LMCache build this server wherever it would build its own; may be called again.

    Raises:
        ImportError: LMCache is not installed.
    """
    global _original  # The patched thing is one per process, too.
    if _original is None:
        _original = getattr(importlib.import_module(_HOME), _CLASS)
        _replace(_original, DropInServer)


def uninstall() -> None:
    """Give LMCache its own server back; servers that are built already stay what they are."""
    global _original
    if _original is not None:
        _replace(DropInServer, _original)
        _original = None


def vllm_plugin() -> None:
    """VLLM's plugin hook: install where the environment asks for it, else do nothing."""
    if os.environ.get(VARIABLE) != "lmcache_internal":
        return
    try:
        install()
    except Exception as error:  # vLLM must start all the same.
        logger.error("%s=lmcache_internal is set, but LMCache cannot be given this server: %s", VARIABLE, error)
        return
    logger.info("LMCache's internal API server is replaced by lmcache_internal (%s is set)", VARIABLE)


def _replace(old: type, new: type) -> None:
    # Service factories bind the class by `from … import`, each in its own module; those that
    # are imported later find the new one at home.
    for module in [importlib.import_module(_HOME), *_loaded_lmcache_modules()]:
        if vars(module).get(_CLASS) is old:
            setattr(module, _CLASS, new)


def _loaded_lmcache_modules() -> list[ModuleType]:
    prefixes = ("lmcache.", "vllm.distributed.kv_transfer.")
    return [module for name, module in list(sys.modules.items()) if name.startswith(prefixes) and module is not None]


if __name__ == "__main__":
    # As `python -m`, this file is `__main__`; LMCache must get the one class that `uninstall` knows.
    importlib.import_module("lmcache_internal.integrations.lmcache").install()
    runpy.run_module("lmcache.v1.standalone", run_name="__main__", alter_sys=True)
