"""Fetch what `status` and `top` show of one MP server, LMCache's or ours.

`/status` has the state of L1, L2, the workers and the sessions; `/metrics` has the counters. LMCache's own MP server
has no health checks, so its health is the `is_healthy` of `/status`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from .client import Client, Failure
from .output import Screen
from .samples import START, Samples, fetch_figures
from .server_health import fetch_health, health_cell
from .units import UNKNOWN, percent, size

_HITS = ("lmcache_mp_lookup_hit_tokens_total", "lmcache_mp_lookup_requested_tokens_total")
_L2_USAGE = "lmcache_mp_l2_usage_bytes"
_COUNTERS = {
    "requests": (
        "lmcache_mp_lookups_requests_total",
        "lmcache_mp_num_submitted_stores_total",
        "lmcache_mp_num_submitted_retrieves_total",
    ),
    "evictions": ("lmcache_mp_l1_evicted_chunks_total", "lmcache_mp_l2_evicted_objects_chunks_total"),
}

_NO_FIGURES = dict.fromkeys(
    (
        "usage_bytes",
        "usage_limit_bytes",
        "l2_usage_bytes",
        "l2_usage_limit_bytes",
        "adapters",
        "workers",
        "sessions",
    )
)

_Count = Annotated[float, msgspec.Meta(ge=0)]


class _Adapter(msgspec.Struct):
    is_healthy: bool
    type: str = ""
    current_size_bytes: _Count | None = None
    stored_bytes: _Count | None = None
    max_capacity_bytes: _Count | None = None


class _L1(msgspec.Struct):
    memory_used_bytes: _Count
    memory_total_bytes: _Count


class _Storage(msgspec.Struct):
    l2_adapters: list[_Adapter] = []
    l1_manager: _L1 | None = None
    l1_usage: tuple[_Count, _Count] | None = None

    def l1(self) -> tuple[float | None, float | None]:
        """Return the used bytes and the capacity of L1: the sum over all pools, or else that of the only pool."""
        if self.l1_usage is None and self.l1_manager is not None:
            return self.l1_manager.memory_used_bytes, self.l1_manager.memory_total_bytes
        return self.l1_usage or (None, None)


class _Status(msgspec.Struct):
    is_healthy: bool
    storage_manager: _Storage
    registered_gpu_ids: list[int] = []
    active_sessions: Annotated[int, msgspec.Meta(ge=0)] | None = None


def fetch_mp_stats(client: Client) -> dict[str, Any]:
    """Fetch the figures of one MP server; raises `Failure`."""
    version = client.json("GET", "/lmc_version", type=str)
    health = fetch_health(client)
    # An engine that fails its health check may hang in /status, and the row must show that it fails.
    raw = None if "engine" in health["failing"] else client.json("GET", "/status", type=dict[str, Any])
    names = [*_HITS, _L2_USAGE, *(name for names in _COUNTERS.values() for name in names), START]
    samples, health = fetch_figures(client, names, health)
    return {
        "kind": "mp",
        "version": version,
        **(health if health["healthy"] is not None else _health_of(raw or {})),
        **samples.hits(*_HITS),
        **(_NO_FIGURES if raw is None else _figures(_converted(raw), samples)),
        "started": samples.sum(START),
        "uptime_seconds": samples.uptime(),
        **{name: samples.sum(*parts) for name, parts in _COUNTERS.items()},
    }


def _figures(status: _Status, samples: Samples) -> dict[str, Any]:
    adapters, (used, capacity) = status.storage_manager.l2_adapters, status.storage_manager.l1()
    return {
        "usage_bytes": used,
        "usage_limit_bytes": capacity or None,
        "l2_usage_bytes": _l2_usage(adapters, samples),
        "l2_usage_limit_bytes": sum(each.max_capacity_bytes or 0.0 for each in adapters) or None,
        "adapters": [{"type": each.type, "healthy": each.is_healthy} for each in adapters],
        "workers": len(status.registered_gpu_ids),
        "sessions": status.active_sessions,
    }


def mp_cells(screen: Screen, data: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns of an MP server."""
    numbers = {name: UNKNOWN if data[name] is None else data[name] for name in ("workers", "sessions")}
    return {
        "health": health_cell(screen, data),
        "mode": data["mode"] or UNKNOWN,
        "hit rate": percent(data["hit_rate"]),
        "l1": _of(data["usage_bytes"], data["usage_limit_bytes"]),
        "l2": _of(data["l2_usage_bytes"], data["l2_usage_limit_bytes"]),
        "adapters": _adapters(data["adapters"]),
        **numbers,
    }


def _converted(raw: Any) -> _Status:
    try:
        return msgspec.convert(raw, _Status)
    except msgspec.ValidationError as error:
        raise Failure(f"/status did not answer as expected ({error}): is this an MP server?") from error


def _l2_usage(adapters: list[_Adapter], samples: Samples) -> float | None:
    """Return the bytes in L2: as the adapters report them, or else as the metrics count them; None if unknown."""
    reported = [each.current_size_bytes if each.stored_bytes is None else each.stored_bytes for each in adapters]
    found = [used for used in reported if used is not None]
    return sum(found) if found and len(found) == len(reported) else samples.sum(_L2_USAGE)


def _health_of(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return the health that an engine reports of itself."""
    healthy = status["is_healthy"]
    failing = {} if healthy else dict.fromkeys(_unhealthy_parts(status), "reports is_healthy: false")
    word = "ok" if healthy else "failing"
    return {"healthy": healthy, "health": word, "mode": "", "failing": failing, "warnings": {}}


def _unhealthy_parts(status: Any, path: str = "engine") -> Iterator[str]:
    """Yield the path of each innermost part that reports `is_healthy: false`."""
    parts = dict(enumerate(status)) if isinstance(status, list) else status
    if not isinstance(parts, dict):
        return
    inner = [name for key, part in parts.items() for name in _unhealthy_parts(part, f"{path}.{key}")]
    yield from inner
    if not inner and parts.get("is_healthy") is False:
        yield path


def _of(used: float | None, limit: float | None) -> str:
    return f"{size(used)} of {size(limit)}" if used is not None and limit else size(used)


def _adapters(adapters: list[dict[str, Any]] | None) -> str:
    if adapters is None:
        return UNKNOWN
    failing = sum(not each["healthy"] for each in adapters)
    return f"{len(adapters)}, {failing} failing" if failing else str(len(adapters))
