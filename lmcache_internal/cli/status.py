"""`status`: the fleet at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .fleet import Fleet
from .options import fleet_options
from .server_stats import cells, look
from .units import duration


@click.command()
@fleet_options(seconds=5)
def status(fleet: Fleet) -> None:
    """Version, health, hit rate, usage and uptime of each server.

    Ends with status 1 where one does not answer, or is not healthy.

    Example: lmcache-internal status --config lmcache.yaml
    """

    def row(data: Mapping[str, Any]) -> dict[str, object]:
        uptime = duration(data["uptime_seconds"])
        return {"version": data["version"], **cells(fleet.screen, data), "uptime": uptime}

    outcomes = fleet.each(look)
    fleet.show(outcomes, row)
    if not all(outcome.data["healthy"] for outcome in outcomes):
        raise SystemExit(1)
