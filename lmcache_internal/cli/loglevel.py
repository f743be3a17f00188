"""`loglevel`: how much the engines' processes log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from .client import Client
from .fleet import Fleet, Outcome
from .group_rows import show_spread
from .options import fleet_options
from .units import duration

_UNSET = "NOTSET"
_ROOT = "root"


def _changes(given: Mapping[str, Any]) -> bool:
    return bool(given["level"] or given["reset"])


@click.command()
@click.argument("logger", required=False)
@click.argument("level", required=False)
@click.option("--for", "span", metavar="SPAN", help="Only for so long: 30s, 10m, 2h; then the old level comes back.")
@click.option("--reset", is_flag=True, help="Take the logger's own level away; its parent's counts then.")
@fleet_options(changes=_changes)
def loglevel(fleet: Fleet, logger: str | None, level: str | None, span: str | None, reset: bool) -> None:
    """List, show or set log levels.

    Without LOGGER, the loggers that have a level of their own are listed. LEVEL is set on LOGGER and all its handlers.

    Example: lmcache-internal loglevel lmcache.v1.cache_engine DEBUG --for 10m --config lmcache.yaml --all
    """
    if reset and (level or not logger):
        raise click.UsageError("--reset takes a LOGGER and no LEVEL.")
    if span and not level:
        raise click.UsageError("--for goes with a LEVEL.")
    if logger and (level or reset):
        fleet.show(fleet.each(lambda client: _put(client, logger, level, span)), _cells)
    elif logger:
        fleet.show(fleet.each(lambda client: _levels_of(_levels(client), logger)), _cells)
    else:
        _list(fleet, fleet.each(_levels))


def _put(client: Client, logger: str, level: str | None, span: str | None) -> dict[str, Any]:
    params = {"logger_name": logger} | ({"level": level} if level else {}) | ({"for": span} if span else {})
    answer = client.json("PUT", "/loglevel", params=params)
    told = {name: answer[name] for name in ("level", "effective", "before")}
    return {**told, "restored_after_seconds": answer["restored_after_seconds"]}


def _levels(client: Client) -> dict[str, str]:
    """The level of each logger, the root's, too."""
    lines = "\n".join(_text(client, **params) for params in ({"logger_name": _ROOT}, {})).splitlines()
    found = (line.rpartition(": ") for line in lines)
    return {name: level for name, colon, level in found if colon}


def _text(client: Client, **params: str) -> str:
    return client.request("GET", "/loglevel", params=params, headers={"Accept": "text/plain"}).text


def _levels_of(levels: Mapping[str, str], logger: str) -> dict[str, str]:
    """A logger's own level, and the one that counts: of itself, or else of its nearest parent that has one."""
    parts = logger.split(".")
    line = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
    effective = next((levels[name] for name in line if levels.get(name, _UNSET) != _UNSET), levels[_ROOT])
    return {"level": levels.get(logger, _UNSET), "effective": effective}


def _list(fleet: Fleet, outcomes: list[Outcome]) -> None:
    unset = {name for outcome in outcomes if outcome.ok for name, level in outcome.data.items() if level == _UNSET}
    if unset:
        fleet.screen.note(f"{len(unset)} loggers have no level of their own; --json lists them, too.")
    show_spread(fleet, outcomes, ["logger", "level"], _own)


def _own(levels: Mapping[str, str]) -> Iterator[tuple[str, ...]]:
    yield from sorted((name, level) for name, level in levels.items() if level != _UNSET)


def _cells(data: Mapping[str, Any]) -> dict[str, object]:
    cells = {name: data[name] for name in ("level", "effective", "before") if name in data}
    if seconds := data.get("restored_after_seconds"):
        cells["restored in"] = duration(seconds)
    return cells
