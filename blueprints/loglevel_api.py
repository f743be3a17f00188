"""Log levels of the engine's process."""

import logging
from typing import Annotated, TypedDict

from flask import Blueprint

from lmcache_internal.api import BadRequest, FromText, Meta, Role, cut, note, operation, suggestion
from lmcache_internal.diagnostics.log_levels import check_changeable, inherited_level, level_of, set_level

router = Blueprint("loglevel", __name__)
engines = ("in-process", "mp")

LoggerName = Annotated[str, Meta(max_length=256)]

_UNITS = {"s": 1, "m": 60, "h": 3600}
_MAX_SECONDS = 7 * 24 * 3600
_LEVELS = "CRITICAL, ERROR, WARNING, INFO, DEBUG, NOTSET"


def _parse_duration(text: str) -> float:
    number, unit = text[:-1], text[-1:]
    if unit.isdigit():
        number, unit = text, "s"
    seconds = int(number) * _UNITS.get(unit, 0) if number.isascii() and number.isdigit() and len(number) < 8 else 0
    if not 0 < seconds <= _MAX_SECONDS:
        raise BadRequest(
            f"Invalid value for for: expected a duration such as 30s, 10m or 2h, at most 7 days, got {text[:100]!r}",
            title="Invalid parameter",
        )
    return float(seconds)


_TIME = {"type": "string", "pattern": "^[0-9]{1,7}[smh]?$", "examples": ["10m"]}
Duration = Annotated[float, FromText(_parse_duration, schema=_TIME)]
InvalidLevel = Annotated[BadRequest, str]


class LevelSet(TypedDict):
    """A logger's levels: current, effective and previous."""

    logger_name: str
    level: str
    effective: str
    before: str
    restored_after_seconds: float | None


class NewLevelSet(LevelSet, total=False):
    """`message`: the logger is unused, and another one has a similar name; `dry_run`: nothing was set."""

    message: str
    dry_run: bool


@router.get("/loglevel")
@operation(action="get or set the log level", media="text", write_parameter="level", cheap=True, errors=(InvalidLevel,))
def log_level(logger_name: LoggerName | None = None, level: str | None = None) -> str:
    """Show the log level of all loggers or of one; with `level`, set it on the logger and its handlers."""
    if not logger_name:
        if level:
            raise BadRequest("level needs a logger_name", title="Missing parameter")
        return _all_levels()
    if not level:
        return f"{logger_name}: {_level_name(logger_name)}{_hint(logger_name)}"
    hint = _hint(logger_name)
    _set(logger_name, _level(logger_name, level))
    return f"Set {logger_name} level to {level.upper()} (including all handlers){hint}"


@router.put("/loglevel")
@operation(
    action="set the log level",
    access=Role.OPERATOR,
    media="pretty",
    cheap=True,
    strict=True,
    errors=(InvalidLevel,),
)
def put_log_level(
    logger_name: LoggerName, level: str = "NOTSET", for_: Duration | None = None, dry_run: bool = False
) -> NewLevelSet:
    """Set or reset (`NOTSET`) the log level of a logger; with `for=10m`, restore the old level after 10 minutes.

    With `dry_run=true`, the response is the same, and nothing is set.
    """
    hint = _hint(logger_name)
    value = _level(logger_name, level)
    before = _set(logger_name, value, for_, dry_run)
    response: NewLevelSet = {
        "logger_name": logger_name,
        "level": logging.getLevelName(value),
        "effective": logging.getLevelName(value or inherited_level(logger_name)),
        "before": logging.getLevelName(before),
        "restored_after_seconds": for_,
    }
    if hint:
        response["message"] = hint.strip()
    if dry_run:
        response["dry_run"] = True
    return response


def _level(name: str, level: str) -> int:
    """Return the number of a level; raises `BadRequest` for an unknown one (400)."""
    if name == "root" and level.upper() == "NOTSET":
        level = "WARNING"  # The default of logging; the root logger has no parent to inherit a level from.
    value = logging.getLevelName(level.upper())
    if not isinstance(value, int):
        message = f"Invalid log level: {cut(level)}"  # LMCache's text.
        raise BadRequest(f"{message}; expected one of {_LEVELS}", title="Invalid parameter", text=message)
    return value


def _set(name: str, level: int, seconds: float | None = None, dry_run: bool = False) -> int:
    """Set a level, or only check that it can be set; returns the level before."""
    if dry_run:
        check_changeable(name)
        before = level_of(name)
    else:
        before = set_level(name, level, seconds)
    dry = {"dry_run": True} if dry_run else {}
    note(logger_name=name, old=logging.getLevelName(before), new=logging.getLevelName(level), **dry)
    return before


def _all_levels() -> str:
    loggers = dict(logging.Logger.manager.loggerDict)
    lines = [
        f"{name}: {logging.getLevelName(logger.level)}\n"
        for name, logger in loggers.items()
        if isinstance(logger, logging.Logger)
    ]
    return "=== Loggers and Levels ===\n" + "".join(lines)


def _hint(name: str) -> str:
    """Return a hint if the name of a logger is misspelled; empty if the logger exists or no name is similar."""
    loggers = {"root", *logging.Logger.manager.loggerDict}
    hint = "" if name in loggers else suggestion(name, loggers, cutoff=0.9)
    return f"\nNo logger of this name has been used{hint}" if hint else ""


def _level_name(name: str) -> str:
    return logging.getLevelName(level_of(name))
