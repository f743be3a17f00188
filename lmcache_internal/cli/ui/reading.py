"""Read one rank for the dashboard: what it is, once a minute, and its figures, at each poll.

A figure that a rank does not have is None. A rank may be another program that lies, so texts are cut and numbers are
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ...roles import Role
from ..client import Client, Failure
from ..mp_stats import fetch_mp_stats
from ..samples import START, fetch_samples
from ..server_health import fetch_health
from ..server_stats import usage_limit
from ..text import one_line

LONGEST_TEXT = 200
MAX_REASONS = 20
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
_FAMILIES = (*_COUNTERS.values(), *_USAGE, START)


class _Session(msgspec.Struct):
    role: str
    kind: str
    routes: dict[str, str]


class _Meta(msgspec.Struct):
    model_name: str | None = None
    role: str | None = None
    worker_id: int | None = None


CHANGES = {"configuration": "POST /conf", "loglevels": "PUT /loglevel"}
"""The routes by which the page changes ranks, by its view."""


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

    @property
    def needs(self) -> dict[str, str]:
        """The role that each change requires, where that of the gateway is lower.

        LMCache's own server has no roles; a rank that names an unknown role says no if it is asked.
        """
        found = {view: self.routes[route] for view, route in CHANGES.items() if route in self.routes}
        return {view: needed for view, needed in found.items() if _is_below(self.role, needed)}


def identify(client: Client) -> Identity:
    """Ask a rank what it is; raises `Failure` if it does not answer or refuses."""
    session = _optional(client, "/ui/session", _Session) or _Session("", OTHER, {})
    version = text(client.json("GET", "/lmc_version", type=str))
    if session.kind == MP or client.target.mp:
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
    if identity.kind == MP:
        return _mp_figures(client)
    samples = fetch_samples(client, _FAMILIES)
    counters = {name: samples.sum(sample) for name, sample in _COUNTERS.items()}
    return {
        **_health(fetch_health(client)),
        **counters,
        "usage": samples.sum(*_USAGE),
        "limit": identity.limit,
        "started": samples.sum(START),
    }


def _mp_figures(client: Client) -> dict[str, Any]:
    """Return the figures of an MP server: its hits are those of lookups, and its usage is that of L1."""
    stats = fetch_mp_stats(client)
    return {
        **_health(stats),
        "hit": stats["hit_tokens"],
        "requested": stats["requested_tokens"],
        "evicted": stats["evictions"],
        "usage": stats["usage_bytes"],
        "limit": stats["usage_limit_bytes"],
        "started": stats["started"],
    }


def _health(found: Mapping[str, Any]) -> dict[str, Any]:
    reasons = [f"{name}: {message}" for kind in ("failing", "warnings") for name, message in found[kind].items()]
    return {
        "health": found["health"],
        "mode": text(found["mode"]),
        "reasons": [text(reason) for reason in reasons[:MAX_REASONS]],
    }


def text(value: str) -> str:
    """Return a text of a rank on one line, at most 200 characters."""
    return one_line(value, LONGEST_TEXT)


def _is_below(role: str, needed: str) -> bool:
    try:
        return Role.named(role) < Role.named(needed)
    except ValueError:
        return False


def _optional(client: Client, path: str, type: Any) -> Any:
    """Return what a rank answers, or None if it has no such route or refuses it."""
    try:
        return client.json("GET", path, type)
    except Failure as failure:
        if failure.unreachable:
            raise
        return None
