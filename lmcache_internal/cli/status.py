"""`status`: the fleet at a glance."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from .client import Client
from .fleet import Fleet
from .options import fleet_options
from .samples import Samples, fetch_samples
from .screen import Screen
from .units import duration, percent, size

HITS = (
    ("lmcache:num_hit_tokens_total", "lmcache:num_requested_tokens_total"),
    ("lmcache:num_lookup_hits_total", "lmcache:num_lookup_tokens_total"),
)
"""Tokens found and tokens asked for: by retrieve requests, and by lookups, which is what a scheduler does."""
USAGE = ("lmcache:local_cache_usage", "lmcache:local_storage_usage")
START = "process_start_time_seconds"


@click.command()
@fleet_options(seconds=5)
def status(fleet: Fleet) -> None:
    """Version, health, hit rate, usage and uptime of each server.

    Ends with status 1 where one does not answer, or is not healthy.
    """
    outcomes = fleet.each(look)
    fleet.show(outcomes, lambda data: _cells(fleet.screen, data))
    if not all(outcome.data["healthy"] for outcome in outcomes):
        raise SystemExit(1)


def look(client: Client) -> dict[str, Any]:
    """Ask one server how it is."""
    version = client.json("GET", "/lmc_version")
    health = client.json("GET", "/healthz", good=(503,))
    samples = fetch_samples(client, [*(name for pair in HITS for name in pair), *USAGE, START])
    start = samples.sum(START)
    return {
        "version": version,
        "healthy": health["status"] == "ok",
        "failing": {name: check["message"] for name, check in health["checks"].items() if not check["ok"]},
        "hit_rate": hit_rate(samples),
        "usage_bytes": samples.sum(*USAGE),
        "uptime_seconds": None if start is None else max(0.0, round(time.time() - start, 1)),
    }


def hit_rate(samples: Samples) -> float | None:
    """The share of the tokens that were found, since the start or the last reset."""
    rates = [samples.ratio(*pair) for pair in HITS]
    return next((rate for rate in rates if rate is not None), None)


def _cells(screen: Screen, data: Mapping[str, Any]) -> dict[str, object]:
    failing = "; ".join(f"{name}: {message}" for name, message in data["failing"].items())
    return {
        "version": data["version"],
        "health": screen.styled("ok", "green") if data["healthy"] else screen.styled(failing, "red"),
        "hit rate": percent(data["hit_rate"]),
        "usage": size(data["usage_bytes"]),
        "uptime": duration(data["uptime_seconds"]),
    }
