"""Chunk statistics: counts of the chunks that the scheduler looks up."""

import time
from typing import Literal, TypedDict, cast

from flask import Blueprint

from lmcache_internal.api import BadRequest, EngineUnavailable, Role, StatisticsClient, adapter, config, operation

router = Blueprint("chunk_statistics", __name__, url_prefix="/chunk_statistics")


class StatisticsSwitched(TypedDict):
    """Result of the action."""

    status: Literal["success"]
    message: str


class Counts(TypedDict):
    """Chunk counts; LMCache adds fields that depend on its recording strategy."""

    enabled: bool
    total_requests: int
    total_chunks: int
    unique_chunks: int
    duplicate_chunks: int
    reuse_rate: float


class Statistics(Counts):
    """Chunk counts and the automatic stop; `timestamp` in seconds since the epoch."""

    timestamp: float
    auto_exit_enabled: bool
    auto_exit_timeout_hours: float
    auto_exit_target_unique_chunks: int | None


@router.post("/start")
@operation(action="start", access=Role.OPERATOR, media="pretty", exclusive=True, errors=(BadRequest,))
def start() -> StatisticsSwitched:
    """Start collecting chunk statistics."""
    _client().start_statistics()
    return {"status": "success", "message": "Started"}


@router.post("/stop")
@operation(action="stop", access=Role.OPERATOR, media="pretty", exclusive=True, errors=(BadRequest,))
def stop() -> StatisticsSwitched:
    """Stop collecting chunk statistics; the counts are kept."""
    _client().stop_statistics()
    return {"status": "success", "message": "Stopped"}


@router.post("/reset")
@operation(action="reset", access=Role.OPERATOR, media="pretty", exclusive=True, errors=(BadRequest,))
def reset() -> StatisticsSwitched:
    """Reset chunk statistics to zero."""
    _client().reset_statistics()
    return {"status": "success", "message": "Reset"}


@router.get("/status")
@operation(action="get status", media="pretty", errors=(BadRequest,))
def status() -> Statistics:
    """Show chunk statistics and when collection stops automatically."""
    counts = cast(Counts, _client().get_statistics())
    hours = getattr(config(), "chunk_statistics_auto_exit_timeout_hours", 0.0)
    target = getattr(config(), "chunk_statistics_auto_exit_target_unique_chunks", 0)
    return {
        **counts,
        "timestamp": time.time(),
        # As in LMCache's server, a target of 0 (the default) counts as a target.
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
            f"{type(client).__name__} does not collect statistics; set enable_chunk_statistics: true and restart.",
            title="Not available",
        )
    return client  # type: ignore[no-any-return]
