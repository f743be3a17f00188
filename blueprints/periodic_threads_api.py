"""Periodic threads of the engine."""

from typing import Annotated, Any, TypedDict

from flask import Blueprint

from lmcache_internal.api import BadRequest, BareError, FromText, NotFound, operation, redact, runtime

router = Blueprint("periodic_threads", __name__)
engines = ("in-process", "mp")

LEVELS = ("critical", "high", "medium", "low")


class LastRun(TypedDict):
    """Result of the last run; `timestamp` in seconds since the epoch."""

    timestamp: float
    duration_ms: float
    success: bool
    message: str
    extra_info: dict[str, Any]


class ThreadStatus(TypedDict):
    """Status of a thread; times in seconds, `last_run_time` since the epoch, `success_rate` in percent."""

    name: str
    level: str
    interval: float
    init_wait: float
    is_running: bool
    is_active: bool
    last_run_time: float
    last_run_ago: float | None
    total_runs: int
    failed_runs: int
    success_rate: float | None
    last_summary: LastRun | None


class ThreadCounts(TypedDict):
    """Number of threads: total, running, and active (not late)."""

    total: int
    running: int
    active: int


class ThreadsSummary(TypedDict):
    """Number of threads: total, running, and active (not late); for all levels and per level."""

    total_count: int
    running_count: int
    active_count: int
    by_level: dict[str, ThreadCounts]


class PeriodicThreads(TypedDict):
    """The selected threads, and the counts of all threads."""

    summary: ThreadsSummary
    threads: list[ThreadStatus]


class LateThread(TypedDict):
    """A thread that is late; times in seconds."""

    name: str
    level: str
    last_run_ago: float | None
    interval: float


class Punctuality(TypedDict):
    """Whether all critical and high threads run on time, and those that are late."""

    healthy: bool
    unhealthy_count: int
    unhealthy_threads: list[LateThread]


def _parse_level(text: str) -> str:
    if text.lower() not in LEVELS:
        message = f"Invalid level: {text[:100]}. Valid values: {', '.join(LEVELS)}"
        raise BadRequest(message, payload={"error": message})
    return text.lower()


Level = Annotated[str, FromText(_parse_level, schema={"type": "string", "enum": LEVELS})]


@router.get("/periodic-threads")
@operation(action="list the periodic threads", errors=(Annotated[BadRequest, BareError],))
def list_threads(level: Level | None = None, running_only: bool = False, active_only: bool = False) -> PeriodicThreads:
    """List periodic threads, with filters by level and state, and counts of all."""
    threads = _threads()
    chosen = [
        thread
        for thread in threads
        if (level is None or thread["level"] == level)
        and (thread["is_running"] or not running_only)
        and (thread["is_active"] or not active_only)
    ]
    by_level = {name: _counts([thread for thread in threads if thread["level"] == name]) for name in LEVELS}
    counts = _counts(threads)
    summary: ThreadsSummary = {
        "total_count": counts["total"],
        "running_count": counts["running"],
        "active_count": counts["active"],
        "by_level": by_level,
    }
    return {"summary": summary, "threads": chosen}


@router.get("/periodic-threads/<name>")
@operation(action="get the periodic thread", errors=(Annotated[NotFound, BareError],))
def one_thread(name: str) -> ThreadStatus:
    """Show one periodic thread."""
    for thread in _threads():
        if thread["name"] == name:
            return thread
    message = f"Thread not found: {name[:100]}"
    raise NotFound(message, payload={"error": message})


@router.get("/periodic-threads-health")
@operation(action="check the periodic threads")
def health() -> Punctuality:
    """Check that critical and high periodic threads are not late."""
    unhealthy: list[LateThread] = [
        {
            "name": thread["name"],
            "level": thread["level"],
            "last_run_ago": thread["last_run_ago"],
            "interval": thread["interval"],
        }
        for thread in _threads()
        if thread["level"] in ("critical", "high") and thread["is_running"] and not thread["is_active"]
    ]
    return {"healthy": not unhealthy, "unhealthy_count": len(unhealthy), "unhealthy_threads": unhealthy}


def _threads() -> list[ThreadStatus]:
    # A summary may quote an exception that contains a secret.
    return [redact(thread) for thread in runtime().periodic_threads()]


def _counts(threads: list[ThreadStatus]) -> ThreadCounts:
    return {
        "total": len(threads),
        "running": sum(thread["is_running"] for thread in threads),
        "active": sum(thread["is_active"] for thread in threads),
    }
