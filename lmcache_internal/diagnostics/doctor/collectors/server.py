"""The server of this rank: where it listens, and who may use it."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ....engine.multiprocess import in_use
from ....settings import Settings
from ....settings.address import address_at, index_of
from ...checks import Subject

FIELDS = {
    "product": "`lmcache_internal`; of a server without GET /doctor, `lmcache` for LMCache's own",
    "address": "where the server listens; missing if another WSGI server serves the app",
    "is_private": "whether only this machine can reach it; missing in the same case",
    "max_access": "the highest role that a client can have",
    "tokens_in_use": "whether tokens are configured",
    "tokens_problem": "why the tokens file cannot be used; null if it can",
    "renamed_metrics": "whether the OpenMetrics format has names such as `lmcache_…` instead of `lmcache:…`",
    "metrics_in_files": "whether prometheus_client keeps the metrics in files (`PROMETHEUS_MULTIPROC_DIR`)",
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the facts of the server."""
    settings = Settings.of(subject.manager.config)
    facts = {
        "product": "lmcache_internal",
        "max_access": str(settings.max_access),
        "tokens_in_use": subject.tokens.in_use,
        "tokens_problem": subject.tokens.problem,
        "renamed_metrics": False,  # This server never renames them, see metrics/encoding.py.
        "metrics_in_files": in_use(),
    }
    # With another WSGI server, the settings do not say where it listens. An MP server listens where LMCache does.
    if subject.load is None or kind_of(subject.manager) == "mp":
        return facts
    address = address_at(index_of(subject.manager), settings)
    return {**facts, "address": str(address), "is_private": address.is_private}
