"""Fetch what `status` and `top` show of one server: version, health, and the figures of its cache.

This module does it for a rank, `mp_stats.py` for an MP server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .client import Client, Failure
from .mp_stats import fetch_mp_stats, mp_cells
from .output import Screen
from .samples import NO_HITS, START, Samples, fetch_figures
from .server_health import fetch_health, health_cell
from .units import UNKNOWN, percent, size

_HITS = (
    ("lmcache:num_hit_tokens_total", "lmcache:num_requested_tokens_total"),
    ("lmcache:num_lookup_hits_total", "lmcache:num_lookup_tokens_total"),
)
"""Hit tokens and requested tokens: of retrieve requests, and of lookups, which a scheduler does."""
_USAGE = ("lmcache:local_cache_usage", "lmcache:local_storage_usage")
_LIMITS = {"local_cpu": "max_local_cpu_size", "local_disk": "max_local_disk_size"}
"""The configuration keys that switch a storage on, and its size in GiB."""
_COUNTERS = {
    "requests": tuple(f"lmcache:num_{kind}_requests_total" for kind in ("store", "retrieve", "lookup")),
    "evictions": ("lmcache:local_cpu_evict_count_total",),
}


def fetch_stats(client: Client) -> dict[str, Any]:
    """Fetch the figures of one server; raises `Failure`."""
    if client.target.mp:
        return fetch_mp_stats(client)
    version = client.json("GET", "/lmc_version", type=str)
    health = fetch_health(client)
    names = [name for names in (*_HITS, _USAGE, *_COUNTERS.values()) for name in names]
    samples, health = fetch_figures(client, [*names, START], health)
    return {
        "kind": "in-process",
        "version": version,
        **health,
        **_hits(samples),
        "usage_bytes": samples.sum(*_USAGE),
        "usage_limit_bytes": usage_limit(client),
        "started": samples.sum(START),
        "uptime_seconds": samples.uptime(),
        **{name: samples.sum(*parts) for name, parts in _COUNTERS.items()},
    }


def cells(screen: Screen, data: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns that all tables of servers share."""
    if data["kind"] == "mp":
        return mp_cells(screen, data)
    return {
        "health": health_cell(screen, data),
        "mode": data["mode"] or UNKNOWN,
        "hit rate": percent(data["hit_rate"]),
        "usage": size(data["usage_bytes"]),
    }


def _hits(samples: Samples) -> dict[str, float | None]:
    """Return the hit tokens, the requested tokens and their ratio, since the start or the last reset."""
    return next((found for names in _HITS if (found := samples.hits(*names))["requested_tokens"]), NO_HITS)


def usage_limit(client: Client) -> float | None:
    """Return the configured size of the local storages in bytes; None if the server does not say."""
    params = {"names": ",".join([*_LIMITS, *_LIMITS.values()])}
    try:
        conf = client.json("GET", "/conf", params=params, type=dict[str, Any])
    except Failure as failure:
        if failure.unreachable:
            raise
        return None
    sizes = [conf.get(size) for switch, size in _LIMITS.items() if conf.get(switch)]
    return sum(gib * 1024**3 for gib in sizes if isinstance(gib, (int, float))) or None
