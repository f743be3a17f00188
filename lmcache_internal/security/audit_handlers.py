"""Select the handlers that write the audit log, so that no change of a log level over HTTP can silence it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from weakref import WeakKeyDictionary

_levels: WeakKeyDictionary[logging.Handler, int] = WeakKeyDictionary()


def remember_level(handler: logging.Handler) -> None:
    """Remember the configured level of `handler` for the audit log, before a request changes the level."""
    _levels.setdefault(handler, handler.level)


def audit_handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers of `logger` and its parents whose configured level is INFO or lower.

    There are none if the level of `logger` itself is above INFO. The function ignores `logging.disable`, the levels of
    parent loggers, and levels that /loglevel set.
    """
    if logger.level > logging.INFO:
        return
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            if min(handler.level, _levels.get(handler, handler.level)) <= logging.INFO:
                yield handler
        current = current.parent if current.propagate else None
