"""The log levels of the engine's process."""

from __future__ import annotations

import logging
from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import BadRequest, Meta, operation

router = Blueprint("loglevel", __name__)


@router.get("/loglevel")
@operation(doing="get or set the log level", media="text", cheap=True)
def log_level(logger_name: Annotated[str, Meta(max_length=256)] | None = None, level: str | None = None) -> str:
    """The level of each logger, or of `logger_name`; with `level`, sets it on the logger and its handlers."""
    if not logger_name:
        if level:
            raise BadRequest("level needs a logger_name", title="Missing parameter")
        return _all_levels()
    if not level:
        return f"{logger_name}: {_level_name(logger_name)}"
    value = logging.getLevelName(level.upper())
    if not isinstance(value, int):
        raise BadRequest(f"Invalid log level: {level}", title="Invalid parameter", text=f"Invalid log level: {level}")
    logger = logging.getLogger(logger_name)
    logger.setLevel(value)
    for handler in logger.handlers:
        handler.setLevel(value)
    return f"Set {logger_name} level to {level.upper()} (including all handlers)"


def _all_levels() -> str:
    loggers = dict(logging.Logger.manager.loggerDict)
    lines = [
        f"{name}: {logging.getLevelName(logger.level)}\n"
        for name, logger in loggers.items()
        if isinstance(logger, logging.Logger)
    ]
    return "=== Loggers and Levels ===\n" + "".join(lines)


def _level_name(name: str) -> str:
    # Asking must not create the logger: whoever asks could fill the memory with names.
    logger = logging.getLogger() if name == "root" else logging.Logger.manager.loggerDict.get(name)
    return logging.getLevelName(logger.level if isinstance(logger, logging.Logger) else logging.NOTSET)
