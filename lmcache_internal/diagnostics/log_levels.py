"""Set the level of a logger, permanently or for a limited time."""

from __future__ import annotations

import logging
import threading

from ..errors import Forbidden
from ..redaction.log_lines import get_logger
from ..security import audit
from ..security.audit_handlers import remember_level

logger = get_logger(__name__)

Levels = list[tuple["logging.Logger | logging.Handler", int]]

_pending: dict[str, tuple[threading.Timer, Levels]] = {}
_lock = threading.Lock()


def check_changeable(name: str) -> None:
    """Raise `Forbidden` if the level of a logger cannot be changed: that of the audit logger (403)."""
    if name == audit.logger.name:
        raise Forbidden(f"The level of {name} cannot be changed over HTTP, because this could disable the audit log.")


def level_of(name: str) -> int:
    """Return a logger's own level. The logger is not created, so that no client can fill the memory with names."""
    found = logging.getLogger() if name == "root" else logging.Logger.manager.loggerDict.get(name)
    return found.level if isinstance(found, logging.Logger) else logging.NOTSET


def inherited_level(name: str) -> int:
    """Return the level that a logger without a level of its own has from its nearest parent with one."""
    parents = name.split(".")[:-1]
    names = (".".join(parents[:end]) for end in range(len(parents), 0, -1))
    return next((level for parent in names if (level := level_of(parent))), logging.getLogger().level)


def set_level(name: str, level: int, seconds: float | None = None) -> int:
    """Set a logger and all its handlers to `level`.

    Args:
        name: the logger's name.
        level: one of logging's levels.
        seconds: time after which the old levels are restored, unless they are changed before; None to keep the level.

    Returns:
        The old level of the logger.

    Raises:
        Forbidden: it is the audit logger (403).
    """
    check_changeable(name)
    target = logging.getLogger(name)
    with _lock:
        before: Levels = [(target, target.level), *((handler, handler.level) for handler in target.handlers)]
        lasting = before
        if name in _pending:
            # Restore the levels from before the pending limited change, not the temporary ones.
            timer, lasting = _pending.pop(name)
            timer.cancel()
        for found, _ in before:
            if isinstance(found, logging.Handler):
                remember_level(found)
            found.setLevel(level)
        if seconds is not None:
            _pending[name] = _restore_later(name, lasting, seconds), lasting
    return before[0][1]


def _restore_later(name: str, levels: Levels, seconds: float) -> threading.Timer:
    timer = threading.Timer(seconds, _restore, (name, levels))
    timer.name = f"restore-loglevel:{name}"
    timer.daemon = True
    timer.start()
    return timer


def _restore(name: str, levels: Levels) -> None:
    with _lock:
        if name not in _pending or _pending[name][0] is not threading.current_thread():
            return
        del _pending[name]
        for found, level in levels:
            found.setLevel(level)
    logger.info("The level of logger %s is %s again", name, logging.getLevelName(levels[0][1]))
