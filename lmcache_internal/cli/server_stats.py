"""Fetch what `status` and `top` show of one server: version, health, and the figures of its cache."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from .client import Client, Failure
from .output import Screen
from .samples import Samples, fetch_samples
from .units import UNKNOWN, percent, size

if TYPE_CHECKING:
    from rich.text import Text

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
_START = "process_start_time_seconds"
_STYLES = {"ok": "green", "warning": "yellow", "failing": "red"}


class _Check(msgspec.Struct):
    ok: bool
    message: str


class _Report(msgspec.Struct):
    checks: dict[str, _Check]
    mode: str = ""

    def not_ok(self) -> dict[str, str]:
        """Return the checks that fail, with the reason of each."""
        return {name: check.message for name, check in self.checks.items() if not check.ok}


def fetch_stats(client: Client) -> dict[str, Any]:
    """Fetch the figures of one server; raises `Failure`."""
    version = client.json("GET", "/lmc_version", type=str)
    health = fetch_health(client)
    names = [name for names in (*_HITS, _USAGE, *_COUNTERS.values()) for name in names]
    samples = fetch_samples(client, [*names, _START])
    start = samples.sum(_START)
    return {
        "version": version,
        **health,
        **_hits(samples),
        "usage_bytes": samples.sum(*_USAGE),
        "usage_limit_bytes": usage_limit(client),
        "uptime_seconds": None if start is None else max(0.0, round(time.time() - start, 1)),
        **{name: samples.sum(*parts) for name, parts in _COUNTERS.items()},
    }


def cells(screen: Screen, data: Mapping[str, Any]) -> dict[str, object]:
    """Return the columns that all tables of servers share."""
    return {
        "health": _health_cell(screen, data),
        "mode": data["mode"] or UNKNOWN,
        "hit rate": percent(data["hit_rate"]),
        "usage": size(data["usage_bytes"]),
    }


def reasons(data: Mapping[str, Any]) -> list[str]:
    """Return why a server is not healthy, a line for each check."""
    words = {"failing": "failing", "warnings": "warning"}
    return [f"{word} {name}: {message}" for kind, word in words.items() for name, message in data[kind].items()]


def fetch_health(client: Client) -> dict[str, Any]:
    """Fetch the health; raises `Failure`. `healthy` is None without health checks, as with LMCache's own server."""
    try:
        report = _report(client, "/healthz")
    except Failure as failure:
        if failure.status != 404:
            raise
        return {"healthy": None, "health": "unknown", "mode": "", "failing": {}, "warnings": {}}
    all_checks = report.not_ok()
    # Warnings fail /healthz, but not /readyz.
    failing = _report(client, "/readyz").not_ok() if all_checks else {}
    failing.pop("drain", None)  # It is a mode: an operator has asked for it.
    warnings = {name: message for name, message in all_checks.items() if name not in failing}
    word = "failing" if failing else "warning" if warnings else "ok"
    return {"healthy": word == "ok", "health": word, "mode": report.mode, "failing": failing, "warnings": warnings}


def _report(client: Client, path: str) -> _Report:
    report: _Report = client.json("GET", path, type=_Report, good=(503,))
    return report


def _health_cell(screen: Screen, data: Mapping[str, Any]) -> Text:
    """Return one word, and the number of checks that it is about."""
    count = len(data["failing"] or data["warnings"])
    return screen.styled(f"{data['health']} {count}" if count else data["health"], _STYLES.get(data["health"], ""))


def _hits(samples: Samples) -> dict[str, float | None]:
    """Return the hit tokens, the requested tokens and their ratio, since the start or the last reset."""
    for hit_names, requested_names in _HITS:
        if requested := samples.sum(requested_names):
            hits = samples.sum(hit_names) or 0.0
            return {"hit_rate": hits / requested, "hit_tokens": hits, "requested_tokens": requested}
    return {"hit_rate": None, "hit_tokens": 0.0, "requested_tokens": 0.0}


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
