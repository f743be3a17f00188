"""The engine's periodic threads and how they do."""

from __future__ import annotations

from typing import Annotated, Any

from flask import Blueprint

from lmcache_internal.api import BadRequest, FromText, NotFound, operation, redact, runtime

router = Blueprint("periodic_threads", __name__)

LEVELS = ("critical", "high", "medium", "low")

Status = dict[str, Any]


def _parse_level(text: str) -> str:
    if text.lower() not in LEVELS:
        message = f"Invalid level: {text[:100]}. Valid values: {', '.join(LEVELS)}"
        raise BadRequest(message, payload={"error": message})
    return text.lower()


Level = Annotated[str, FromText(_parse_level)]


@router.get("/periodic-threads")
@operation(doing="list the periodic threads")
def list_threads(level: Level | None = None, running_only: bool = False, active_only: bool = False) -> Status:
    """The status of all periodic threads, or of those of a level, and their numbers."""
    threads = _threads()
    chosen = [
        thread
        for thread in threads
        if (level is None or thread["level"] == level)
        and (thread["is_running"] or not running_only)
        and (thread["is_active"] or not active_only)
    ]
    by_level = {name: _counts([thread for thread in threads if thread["level"] == name]) for name in LEVELS}
    return {
        "summary": {f"{name}_count": count for name, count in _counts(threads).items()} | {"by_level": by_level},
        "threads": chosen,
    }


@router.get("/periodic-threads/<name>")
@operation(doing="get the periodic thread")
def one_thread(name: str) -> Status:
    """The status of one periodic thread."""
    for thread in _threads():
        if thread["name"] == name:
            return thread
    message = f"Thread not found: {name[:100]}"
    raise NotFound(message, payload={"error": message})


@router.get("/periodic-threads-health")
@operation(doing="check the periodic threads")
def health() -> Status:
    """The critical and high threads that run but are late."""
    unhealthy = [
        {name: thread[name] for name in ("name", "level", "last_run_ago", "interval")}
        for thread in _threads()
        if thread["level"] in ("critical", "high") and thread["is_running"] and not thread["is_active"]
    ]
    return {"healthy": not unhealthy, "unhealthy_count": len(unhealthy), "unhealthy_threads": unhealthy}


def _threads() -> list[Status]:
    # A summary may quote the exception of a failed run.
    return [redact(thread) for thread in runtime().periodic_threads()]


def _counts(threads: list[Status]) -> dict[str, int]:
    return {
        "total": len(threads),
        "running": sum(thread["is_running"] for thread in threads),
        "active": sum(thread["is_active"] for thread in threads),
    }
