"""Change a log level on several servers: check it on all of them first, then set it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from .client import Client, Failure

LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG", "NOTSET")
"""The levels that LMCache's own server is sent; it has no check of its own."""

# A level becomes part of the command that undoes a change, so it must not look like an option.
_Level = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_ ]*$", max_length=64)]


class LevelSet(msgspec.Struct):
    """The response to `PUT /loglevel`."""

    level: _Level
    effective: _Level
    before: _Level
    restored_after_seconds: float | None = None
    message: str = ""
    dry_run: bool = False

    def public(self) -> dict[str, Any]:
        """Return the data of a server in `--json`."""
        names = ("level", "effective", "before", "restored_after_seconds")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class LevelChange:
    """A new level.

    Attributes:
        logger: the name of the logger.
        level: the level; NOTSET resets it.
        span: the time after which the old level is restored, such as `10m`, or None.
    """

    logger: str
    level: str
    span: str | None = None


@dataclass(frozen=True)
class LevelCheck:
    """The response of one server to the check.

    Attributes:
        before: the level of the logger.
        level: the level that it would get.
        message: what the server says about the name of the logger, or "".
        by_get: whether the server sets levels with a GET, as LMCache's own does.
    """

    before: str
    level: str
    message: str = ""
    by_get: bool = False


def check_level(client: Client, change: LevelChange) -> LevelCheck:
    """Check a change on one server, and set nothing; raises `Failure` if the server refuses it."""
    try:
        found = _put(client, change, dry_run="true")
    except Failure as failure:
        if failure.status != 405:
            raise
        return _check_by_get(client, change)
    if not found.dry_run:
        raise Failure("the server has ignored dry_run=true, so it may have set the level", unsure=True)
    return LevelCheck(found.before, found.level, found.message)


def apply_level(client: Client, change: LevelChange, checked: LevelCheck) -> dict[str, Any]:
    """Set a level that was checked; LMCache's own server does not say which level is effective then.

    Raises:
        Failure: the server refuses it.
    """
    if not checked.by_get:
        return _put(client, change).public()
    answer = _get(client, logger_name=change.logger, level=checked.level)
    if not answer.startswith("Set "):
        raise Failure("GET /loglevel did not answer as expected: the level is unknown", unsure=True)
    return {"level": checked.level, "before": checked.before, "restored_after_seconds": None}


def _put(client: Client, change: LevelChange, **more: str) -> LevelSet:
    params = {"logger_name": change.logger, "level": change.level, **({"for": change.span} if change.span else {})}
    found: LevelSet = client.json("PUT", "/loglevel", LevelSet, params=params | more)
    return found


def _check_by_get(client: Client, change: LevelChange) -> LevelCheck:
    """Check a change on LMCache's own server, which has no dry run, and does not restore levels."""
    level = change.level.upper()
    if change.span:
        raise Failure("the server cannot restore the level after a time, as LMCache's own server; leave the time out")
    if level not in LEVELS:
        raise Failure(f"Invalid log level: {change.level}; expected one of {', '.join(LEVELS)}")
    name, _, before = _get(client, logger_name=change.logger).strip().rpartition(": ")
    if name != change.logger or before not in LEVELS:
        raise Failure("/loglevel did not answer as expected: is this an LMCache internal API?")
    return LevelCheck(before, level, by_get=True)


def _get(client: Client, **params: str) -> str:
    return client.request("GET", "/loglevel", params=params, headers={"Accept": "text/plain"}).text
