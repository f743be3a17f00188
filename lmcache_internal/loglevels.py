"""Set the level of a logger, for good or for a while."""

from __future__ import annotations

import logging
import threading

logger = logging.getLogger(__name__)

Levels = list[tuple["logging.Logger | logging.Handler", int]]

_pending: dict[str, threading.Timer] = {}
_lock = threading.Lock()


def set_level(name: str, level: int, seconds: float | None = None) -> int:
    """Set a logger and all its handlers to `level`.

    Args:
        name: the logger's name.
        level: one of logging's levels.
        seconds: after so long, the old levels come back, unless somebody sets others before;
            None for good.

    Returns:
        The level that the logger had.
    """
    target = logging.getLogger(name)
    with _lock:
        timer = _pending.pop(name, None)
        if timer is not None:
            timer.cancel()
        before: Levels = [(target, target.level), *((handler, handler.level) for handler in target.handlers)]
        for found, _ in before:
            found.setLevel(level)
        if seconds is not None:
            _pending[name] = _restore_later(name, before, seconds)
    return before[0][1]


def _restore_later(name: str, levels: Levels, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, _restore, (name, levels))
    timer.name = f"restore-loglevel:{name}"
    timer.daemon = True
    timer.start()
    return timer


def _restore(name: str, levels: Levels) -> None:
    with _lock:
        if _pending.get(name) is not threading.current_thread():
            return
        del _pending[name]
        for found, level in levels:
            found.setLevel(level)
    logger.info("The level of logger %s is %s again", name, logging.getLevelName(levels[0][1]))
