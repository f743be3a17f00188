"""`routes`: what the servers offer."""

from __future__ import annotations

from typing import Any

import click

from .client import Client
from .fleet import Fleet, Outcome
from .options import fleet_options

_COLUMNS = ("method", "path", "access", "summary")


@click.command()
@fleet_options()
def routes(fleet: Fleet) -> None:
    """The endpoints, with who may use them and what they do.

    Of several servers, those that not all of them have name the ones that do.
    """
    outcomes = fleet.each(_fetch)
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    fleet.screen.show(fleet.screen.table(_COLUMNS, _rows([outcome for outcome in outcomes if outcome.ok])))
    fleet.complain(outcomes)


def _fetch(client: Client) -> list[dict[str, str]]:
    return [{name: route[name] for name in _COLUMNS} for route in client.json("GET", "/")]


def _rows(outcomes: list[Outcome]) -> list[list[object]]:
    owners: dict[tuple[str, str], list[Outcome]] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        for route in outcome.data:
            key = (route["path"], route["method"])
            owners.setdefault(key, []).append(outcome)
            found.setdefault(key, route)
    rows: list[list[object]] = []
    for key in sorted(found):
        only = [owner.target.role or owner.target.address for owner in owners[key]]
        note = f" (only {', '.join(only)})" if len(only) < len(outcomes) else ""
        rows.append([found[key][name] + (note if name == "summary" else "") for name in _COLUMNS])
    return rows
