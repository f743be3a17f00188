"""`loglevel`: list, show and set the log levels of the engines' processes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import click

from .client import Client, Failure
from .commands import Command
from .fleet import Fleet
from .group_rows import show_grouped
from .level_change import LevelChange, apply_level, check_level
from .options import fleet_options
from .outcome import Outcome
from .undo import undo_commands
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
    of all its handlers on all chosen servers, or on none: each server checks the level first.

    Example: lmcache-internal loglevel lmcache.v1.cache_engine DEBUG --for 10m --config lmcache.yaml --all
    """
    if reset and (level or not logger):
        raise click.UsageError("--reset takes a LOGGER and no LEVEL.")
    if span and not level:
        raise click.UsageError("--for goes with a LEVEL.")
    if logger and (level or reset):
        _set(fleet, LevelChange(logger, level or _UNSET, span))
    elif logger:
        fleet.show(fleet.each(lambda client: _levels_of(fetch_levels(client), logger)), _cells)
    else:
        _list(fleet, fleet.each(fetch_levels))


def _set(fleet: Fleet, change: LevelChange) -> None:
    """Set a level on all servers, if all of them accept it."""
    checked = fleet.each(partial(check_level, change=change))
    checks = {outcome.target: outcome.data for outcome in checked if outcome.ok}
    if len(checks) < len(checked):
        _explain(fleet, checked)
        return
    if not fleet.screen.as_json:
        for message in dict.fromkeys(found.message for found in checks.values() if found.message):
            fleet.screen.note(message)
    outcomes = fleet.each(lambda client: apply_level(client, change, checks[client.target]))
    if not all(outcome.ok for outcome in outcomes):
        for line in undo_commands(fleet, outcomes, lambda outcome: ["loglevel", change.logger, outcome.data["before"]]):
            fleet.screen.note(f"To undo: {line}")
    fleet.show(outcomes, _cells)


def _explain(fleet: Fleet, checked: Sequence[Outcome]) -> None:
    """Print which servers refuse the level, and that nothing was set."""
    fleet.screen.note("Nothing was set.")
    if accepting := [outcome.target for outcome in checked if outcome.ok]:
        choice = shlex.join(fleet.options(accepting))
        fleet.screen.note(f"To exclude the servers that fail, repeat the command with: {choice}")
    if fleet.screen.as_json:
        fleet.screen.json([outcome.map(lambda found: {"level": found.before}).public() for outcome in checked])
        fleet.finish(checked)
    fleet.report_failures(checked)


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
