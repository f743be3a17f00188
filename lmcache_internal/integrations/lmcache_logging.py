"""Send the log lines of this server to the same place as those of LMCache."""

from __future__ import annotations

import logging

from ..engine import lmcache_names

# The audit log needs a separate handler, because /loglevel changes the handlers of every logger except the audit log.
LOGGERS = ("lmcache_internal.audit", "lmcache_internal")


def add_lmcache_handlers() -> list[str]:
    """Add LMCache's log handler to those loggers of this package that have no handler.

    The handler has the format and the level (LMCACHE_LOG_LEVEL) of LMCache. Without it, nothing below WARNING would
    appear, because vLLM configures only its own loggers.

    Returns:
        The names of the loggers that received a handler.

    Raises:
        ImportError: LMCache has no such handler.
    """
    without = [name for name in LOGGERS if not logging.getLogger(name).hasHandlers()]
    for name in without:
        lmcache_names.load("init_logger")(name)
    return without
