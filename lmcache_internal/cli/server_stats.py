"""How one server is: version, health, and the figures that say what its cache is worth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .client import Client
from .output import Screen
from .samples import Samples, fetch_samples
from .units import UNKNOWN, percent, size

if TYPE_CHECKING:
    from rich.text import Text

_HITS = (
    ("lmcache:num_hit_tokens_total", "lmcache:num_requested_tokens_total"),
    ("lmcache:num_lookup_hits_total", "lmcache:num_lookup_tokens_total"),
)
"""Tokens found and tokens asked for: by retrieve requests, and by lookups, which is what a scheduler does."""
_USAGE = ("lmcache:local_cache_usage", "lmcache:local_storage_usage")
_COUNTERS = {
    "requests": tuple(f"lmcache:num_{kind}_requests_total" for kind in ("store", "retrieve", "lookup")),
    "evictions": ("lmcache:local_cpu_evict_count_total",),
}
_START = "process_start_time_seconds"


def look(client: Client) -> dict[str, Any]:
    """Ask one server; raises `Failure` where it does not answer as it should."""
    version = client.json("GET", "/lmc_version")
    health = client.json("GET", "/healthz", good=(503,))
    names = [name for names in (*_HITS, _USAGE, *_COUNTERS.values()) for name in names]
    samples = fetch_samples(client, [*names, _START])
    start = samples.sum(_START)
    return {
        "version": version,
        "healthy": health["status"] == "ok",
        "mode": health.get("mode", ""),
        "failing": {name: check["message"] for name, check in health["checks"].items() if not check["ok"]},
        "hit_rate": _hit_rate(samples),
        "usage_bytes": samples.sum(*_USAGE),
        "uptime_seconds": None if start is None else max(0.0, round(time.time() - start, 1)),
        **{name: samples.sum(*parts) for name, parts in _COUNTERS.items()},
    }


def cells(screen: Screen, data: Mapping[str, Any]) -> dict[str, object]:
    """The columns that all tables of servers share."""
    return {
        "health": _health(screen, data),
        "mode": data["mode"] or UNKNOWN,
        "hit rate": percent(data["hit_rate"]),
        "usage": size(data["usage_bytes"]),
    }


def _hit_rate(samples: Samples) -> float | None:
    """The share of the tokens that were found, since the start or the last reset."""
    rates = [samples.ratio(*pair) for pair in _HITS]
    return next((rate for rate in rates if rate is not None), None)


def _health(screen: Screen, data: Mapping[str, Any]) -> Text:
    failing = "; ".join(f"{name}: {message}" for name, message in data["failing"].items())
    return screen.styled("ok", "green") if data["healthy"] else screen.styled(failing, "red")
