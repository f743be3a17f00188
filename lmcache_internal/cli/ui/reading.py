"""Read one rank for the dashboard: what it is, seldom, and its figures, at each poll.

What a rank does not have, as an MP server has no hit rate, is None; a rank may be another program that lies, so texts
are cut and numbers are checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..client import Client, Failure
from ..samples import fetch_samples
from ..server_stats import fetch_health, usage_limit
from ..text import one_line

LONGEST_TEXT = 200
MP = "mp"
OTHER = "other"
"""The kind of a server without a dashboard, such as LMCache's own."""

_COUNTERS = {
    "requested": "lmcache:num_requested_tokens_total",
    "hit": "lmcache:num_hit_tokens_total",
    "looked_up": "lmcache:num_lookup_tokens_total",
    "found": "lmcache:num_lookup_hits_total",
    "stored": "lmcache:num_stored_tokens_total",
    "evicted": "lmcache:local_cpu_evict_count_total",
}
_USAGE = ("lmcache:local_cache_usage", "lmcache:local_storage_usage")
_START = "process_start_time_seconds"
_FAMILIES = (*_COUNTERS.values(), *_USAGE, _START)


class _Session(msgspec.Struct):
    role: str
    kind: str
    routes: dict[str, str]


class _Meta(msgspec.Struct):
    model_name: str | None = None
    role: str | None = None
    worker_id: int | None = None


class _Memory(msgspec.Struct):
    memory_used_bytes: float | None = None
    memory_total_bytes: float | None = None


class _Storage(msgspec.Struct):
    l1_manager: _Memory = msgspec.field(default_factory=_Memory)


class _Status(msgspec.Struct):
    storage_manager: _Storage = msgspec.field(default_factory=_Storage)


@dataclass(frozen=True)
class Identity:
    """What a rank is.

    Attributes:
        kind: "in-process", "mp", or `OTHER`.
        version: its version of LMCache.
        model: the name of its model, or "".
        label: scheduler, worker 0, MP server, or "" if it does not say.
        role: the role of the gateway there.
        routes: `METHOD /path` to the role that it requires.
        limit: the configured size of its local storages in bytes.
    """

    kind: str
    version: str
    model: str
    label: str
    role: str
    routes: Mapping[str, str] = field(default_factory=dict)
    limit: float | None = None


def identify(client: Client) -> Identity:
    """Ask a rank what it is; raises `Failure` if it does not answer or refuses."""
    session = _optional(client, "/ui/session", _Session) or _Session("", OTHER, {})
    version = text(client.json("GET", "/lmc_version", type=str))
    if session.kind == MP:
        return Identity(MP, version, "", "MP server", text(session.role), session.routes)
    meta = _optional(client, "/meta?names=model_name,role,worker_id", _Meta) or _Meta()
    label = "scheduler" if meta.role == "scheduler" else "" if meta.worker_id is None else f"worker {meta.worker_id}"
    return Identity(
        text(session.kind),
        version,
        text(meta.model_name or ""),
        text(label),
        text(session.role),
        session.routes,
        usage_limit(client),
    )


def read_figures(client: Client, identity: Identity) -> dict[str, Any]:
    """Return the figures of a rank: health, mode, counters, usage and limit in bytes, start in seconds since the epoch.

    Raises:
        Failure: it does not answer, or refuses.
    """
    health = fetch_health(client)
    reasons = [f"{name}: {message}" for kind in ("failing", "warnings") for name, message in health[kind].items()]
    figures = {
        "health": health["health"],
        "mode": text(health["mode"]),
        "reasons": [text(reason) for reason in reasons[:20]],
        "limit": identity.limit,
    }
    if identity.kind == MP:
        memory = client.json("GET", "/status", _Status).storage_manager.l1_manager
        return {**figures, "usage": memory.memory_used_bytes, "limit": memory.memory_total_bytes}
    samples = fetch_samples(client, _FAMILIES)
    counters = {name: samples.sum(sample) for name, sample in _COUNTERS.items()}
    return {**figures, **counters, "usage": samples.sum(*_USAGE), "started": samples.sum(_START)}


def text(value: str) -> str:
    """Return a text of a rank on one line, at most 200 characters."""
    return one_line(value, LONGEST_TEXT)


def _optional(client: Client, path: str, type: Any) -> Any:
    """Return what a rank answers, or None if it has no such route or refuses it."""
    try:
        return client.json("GET", path, type)
    except Failure as failure:
        if failure.unreachable:
            raise
        return None
