"""Log lines of this server where LMCache's are seen."""

from __future__ import annotations

import logging

from ..engine import lmcache_names

# The audit log gets a handler of its own: /loglevel changes the handlers of a logger, but refuses to change its.
LOGGERS = ("lmcache_internal.audit", "lmcache_internal")


def log_as_lmcache_does() -> list[str]:
    """Give our loggers a handler as LMCache's have, where nobody has configured one.

    LMCache's has a format and a level (LMCACHE_LOG_LEVEL) of its own; vLLM configures its own loggers
    alone, and Python shows nothing below WARNING by itself.

    Returns:
        The loggers that were given one.

    Raises:
        ImportError: LMCache has no such handlers.
    """
    without = [name for name in LOGGERS if not logging.getLogger(name).hasHandlers()]
    for name in without:
        lmcache_names.load("init_logger")(name)
    return without
