"""`loglevel`: list, show and set the log levels of the engines' processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from .client import Client, Failure
from .commands import Command
from .fleet import Fleet
from .group_rows import show_grouped
from .options import fleet_options
from .outcome import Outcome
from .units import duration

_UNSET = "NOTSET"
_ROOT = "root"


def _changes(given: Mapping[str, Any]) -> bool:
    return bool(given["level"] or given["reset"])


@click.command(cls=Command)
@click.argument("logger", required=False)
@click.argument("level", required=False)
@click.option("--for", "span", metavar="SPAN", help="Restore the old level after this time, such as 30s, 10m or 2h.")
@click.option("--reset", is_flag=True, help="Remove the logger's own level; the level of its parent applies.")
@fleet_options(changes=_changes)
def loglevel(fleet: Fleet, logger: str | None, level: str | None, span: str | None, reset: bool) -> None:
    """List, show or set log levels.

    Without LOGGER, the command lists the loggers that have their own level. With LEVEL, it sets the level of LOGGER and
    of all its handlers.

    Example: lmcache-internal loglevel lmcache.v1.cache_engine DEBUG --for 10m --config lmcache.yaml --all
    """
    if reset and (level or not logger):
        raise click.UsageError("--reset takes a LOGGER and no LEVEL.")
    if span and not level:
        raise click.UsageError("--for goes with a LEVEL.")
    if logger and (level or reset):
        fleet.show(fleet.each(lambda client: put_level(client, logger, level, span)), _cells)
    elif logger:
        fleet.show(fleet.each(lambda client: _levels_of(fetch_levels(client), logger)), _cells)
    else:
        _list(fleet, fleet.each(fetch_levels))


def put_level(client: Client, logger: str, level: str | None, span: str | None) -> dict[str, Any]:
    """Set the level of a logger, for a time such as `10m`; raises `Failure` if the server refuses it."""
    params = {"logger_name": logger} | ({"level": level} if level else {}) | ({"for": span} if span else {})
    answer = client.json("PUT", "/loglevel", dict[str, Any], params=params)
    return {name: answer[name] for name in ("level", "effective", "before", "restored_after_seconds")}


def fetch_levels(client: Client) -> dict[str, str]:
    """Return the level of each logger, including the root logger; raises `Failure`."""
    lines = "\n".join(_text(client, **params) for params in ({"logger_name": _ROOT}, {})).splitlines()
    found = (line.rpartition(": ") for line in lines)
    levels = {name: level for name, colon, level in found if colon}
    if _ROOT not in levels:
        raise Failure("/loglevel did not answer as expected: is this an LMCache internal API?")
    return levels


def _text(client: Client, **params: str) -> str:
    return client.request("GET", "/loglevel", params=params, headers={"Accept": "text/plain"}).text


def _levels_of(levels: Mapping[str, str], logger: str) -> dict[str, str]:
    """Return a logger's own level, and the level that applies: its own, or that of its nearest parent with one."""
    parts = logger.split(".")
    line = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    effective = next((levels[name] for name in line if levels.get(name, _UNSET) != _UNSET), levels[_ROOT])
    return {"level": levels.get(logger, _UNSET), "effective": effective}


def _list(fleet: Fleet, outcomes: list[Outcome]) -> None:
    unset = {name for outcome in outcomes if outcome.ok for name, level in outcome.data.items() if level == _UNSET}
    if unset:
        fleet.screen.note(f"{len(unset)} loggers have no level of their own; --json lists them.")
    show_grouped(fleet, outcomes, ["logger", "level"], _own)


def _own(levels: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    yield from sorted((name, level) for name, level in levels.items() if level != _UNSET)


def _cells(data: Mapping[str, Any]) -> dict[str, object]:
    cells = {name: data[name] for name in ("level", "effective", "before") if name in data}
    if seconds := data.get("restored_after_seconds"):
        cells["restored in"] = duration(seconds)
    return cells
