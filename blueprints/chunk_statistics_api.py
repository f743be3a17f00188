"""Counts of the chunks that the scheduler looks up."""

from __future__ import annotations

import time

from flask import Blueprint

from lmcache_internal.api import Access, BadRequest, EngineUnavailable, StatisticsClient, adapter, config, operation

router = Blueprint("chunk_statistics", __name__, url_prefix="/chunk_statistics")


@router.post("/start")
@operation(doing="start", access=Access.OPERATOR, media="pretty", changes=True)
def start() -> dict[str, object]:
    """Count from now on."""
    _client().start_statistics()
    return {"status": "success", "message": "Started"}


@router.post("/stop")
@operation(doing="stop", access=Access.OPERATOR, media="pretty", changes=True)
def stop() -> dict[str, object]:
    """Count no more; the counts stay."""
    _client().stop_statistics()
    return {"status": "success", "message": "Stopped"}


@router.post("/reset")
@operation(doing="reset", access=Access.OPERATOR, media="pretty", changes=True)
def reset() -> dict[str, object]:
    """Start the counts again at zero."""
    _client().reset_statistics()
    return {"status": "success", "message": "Reset"}


@router.get("/status")
@operation(doing="get status", media="pretty")
def status() -> dict[str, object]:
    """The counts so far, and when counting ends by itself."""
    counts = _client().get_statistics()
    hours = getattr(config(), "chunk_statistics_auto_exit_timeout_hours", 0.0)
    target = getattr(config(), "chunk_statistics_auto_exit_target_unique_chunks", 0)
    return {
        **counts,
        "timestamp": time.time(),
        # The contract's rule: a target of 0, the default, counts as one.
        "auto_exit_enabled": hours > 0 or target is not None,
        "auto_exit_timeout_hours": hours,
        "auto_exit_target_unique_chunks": target,
    }


def _client() -> StatisticsClient:
    client = getattr(adapter(), "lookup_client", None)
    if client is None:
        raise EngineUnavailable("Lookup client not configured.", title="API unavailable")
    if not hasattr(client, "get_statistics"):
        raise BadRequest(
            f"{type(client).__name__} keeps no statistics; set enable_chunk_statistics: true and restart.",
            title="Not available",
        )
    return client  # type: ignore[no-any-return]
