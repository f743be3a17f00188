"""Which handlers write the audit log: no change of a level over HTTP takes one away."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from weakref import WeakKeyDictionary

_levels: WeakKeyDictionary[logging.Handler, int] = WeakKeyDictionary()


def remember_level(handler: logging.Handler) -> None:
    """Let the audit log go by the level that `handler` has now, before somebody changes it over HTTP."""
    _levels.setdefault(handler, handler.level)


def audible_handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """The handlers that get the audit log: those of `logger` and its parents.

    Their levels count as they were configured, and so does that of `logger` itself; `logging.disable`, levels of
    parents and what /loglevel has set do not.
    """
    if logger.level > logging.INFO:
        return
    current: logging.Logger | None = logger
    while current is not None:
        for handler in current.handlers:
            if min(handler.level, _levels.get(handler, handler.level)) <= logging.INFO:
                yield handler
        current = current.parent if current.propagate else None
