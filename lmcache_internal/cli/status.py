"""`status`: show the state of each server in one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from .commands import Command
from .fleet import Fleet
from .options import fleet_options
from .outcome import Outcome
from .server_health import reasons
from .server_stats import cells, fetch_stats
from .units import duration


@click.command(cls=Command)
@click.option("-v", "--verbose", is_flag=True, help="Print the reason of each warning and each failing check.")
@fleet_options(seconds=5)
def status(fleet: Fleet, verbose: bool) -> None:
    """Show version, health, hit rate, usage and uptime of each server.

    An MP server has the usage of L1 and of L2, and its L2 adapters, workers and sessions.

    The exit status is 1 if a server does not answer or is not healthy.

    Example: lmcache-internal status --config lmcache.yaml
    """

    def row(data: Mapping[str, Any]) -> dict[str, object]:
        row = {"version": data["version"], **cells(fleet.screen, data), "uptime": duration(data["uptime_seconds"])}
        return row | ({"reasons": reasons(data) or [""]} if verbose else {})

    outcomes = fleet.each(fetch_stats)
    fleet.show(outcomes, row, _next_step(fleet, outcomes, verbose))
    if not all(outcome.data["healthy"] for outcome in outcomes):
        raise SystemExit(1)


def _next_step(fleet: Fleet, outcomes: Sequence[Outcome], verbose: bool) -> str:
    """Return how to find out why servers are not healthy; empty if all of those that answered are."""
    sick = [outcome.target for outcome in outcomes if outcome.ok and outcome.data["health"] in ("failing", "warning")]
    if not sick:
        return ""
    option = "" if verbose else "For the reasons, add --verbose. "
    return f"{option}For the next steps: {fleet.hint(['doctor'], sick)}"
