"""The health checks of an MP server. A check returns what it found, or raises; it changes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..engine.mp.runtime import WorkerState
from ..engine.mp.worker_watch import WorkerCounts
from ..errors import CallTimedOut
from ..limits.timeouts import call_within, clock
from .adapter_calls import unhealthy_adapters
from .checks import (
    Check,
    Degraded,
    Outcome,
    Subject,
    Unhealthy,
    check_drain,
    check_periodic_threads,
    check_plugins,
    check_server,
    check_tokens,
    listed,
)

MISSING_SECONDS = 3600.0
"""How long `/healthz` fails after a worker was removed as silent and did not register again."""
STATUS_SECONDS = 1.2
"""How long the engine may take to report its status; the check as a whole has 2 s."""
_L2 = "storage_manager.l2_adapters."
PING_SECONDS = 1.0
"""How long the server's own message queue may take to respond to a PING."""


def check_mp_engine(subject: Subject) -> str:
    """The engine reports that it is healthy; an L2 adapter that is not does not count, because L1 still serves."""
    engine = _engine(subject)
    try:
        status = call_within("report the status of the engine", engine.report_status, STATUS_SECONDS)
    except Exception as error:  # An engine may raise anything; it is the result of the check.
        late = f"it did not report its status within {STATUS_SECONDS:g} s"
        reason = late if isinstance(error, CallTimedOut) else f"it cannot report its status: {error}"
        # The engine asks its adapters, so one of them may delay or fail its report, but not its workers.
        if adapters := unhealthy_adapters(engine.storage_manager.l2_adapters()):
            raise Degraded(f"{reason}; unhealthy L2 adapters: {listed(adapters)}") from None
        raise Unhealthy(reason) from None
    if status["is_healthy"]:
        return ""
    parts = list(_unhealthy_parts(status))
    serious = [part for part in parts if not part.startswith(_L2)]
    if serious or not parts:
        unhealthy = listed(serious) or "it names no part"
        raise Unhealthy(f"the engine reports that it is not healthy: {unhealthy}")
    raise Degraded("the engine reports unhealthy L2 adapters")


def check_adapters(subject: Subject) -> str:
    """Each L2 adapter reports that it is healthy."""
    adapters = _engine(subject).storage_manager.l2_adapters()
    bad = unhealthy_adapters(adapters)
    if bad:
        # L1 still serves without them.
        raise Degraded(f"unhealthy L2 adapters: {listed(bad)}")
    names = [f"{descriptor.index}: {descriptor.type_name}" for descriptor, _ in adapters]
    return listed(names) or "there is no L2 adapter"


def check_workers(subject: Subject) -> str | Outcome:
    """Report the workers; a server without any is healthy, because it starts before them."""
    _engine(subject)
    subject.manager.worker_watch.sample()
    counts: WorkerCounts = subject.manager.worker_watch.counts
    idle = f" ({listed([_silence(worker) for worker in counts.idle])})" if counts.idle else ""
    message = f"{len(counts.registered)} registered, {len(counts.idle)} idle{idle}, {counts.removed} removed as silent"
    if not counts.missing:
        return message
    message += f"; not registered again: {listed([f'{number} since {clock(at)}' for number, at in counts.missing])}"
    recent = any(time.time() - at < MISSING_SECONDS for _, at in counts.missing)
    # A worker that has crashed is removed, too, and never returns. So the warning ends.
    return Outcome("warning" if recent else "notice", message)


def check_transport(subject: Subject) -> str:
    """The message queue that the workers use responds to a PING within a second."""
    _engine(subject)
    try:
        return str(subject.manager.runtime.ping(PING_SECONDS))
    except TimeoutError:
        raise Unhealthy(f"no response to a PING within {PING_SECONDS:g} s: workers cannot reach the cache") from None


MP_CHECKS: dict[str, Check] = {
    "engine": check_mp_engine,
    "adapters": check_adapters,
    "workers": check_workers,
    "transport": check_transport,
    "periodic_threads": check_periodic_threads,
    "plugins": check_plugins,
    "server": check_server,
    "drain": check_drain,
    "tokens": check_tokens,
}


def _engine(subject: Subject) -> Any:
    engine = getattr(subject.manager, "engine", None)
    if engine is None:
        raise Unhealthy("the engine is still starting, or could not be made")
    return engine


def _unhealthy_parts(status: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each innermost part that reports `is_healthy: false`."""
    if isinstance(status, list):
        status = {str(number): part for number, part in enumerate(status)}
    if not isinstance(status, dict):
        return
    inner = [name for key, part in status.items() for name in _unhealthy_parts(part, f"{path}.{key}".lstrip("."))]
    yield from inner
    if not inner and path and status.get("is_healthy") is False:
        yield path


def _silence(worker: WorkerState) -> str:
    return f"{worker.instance_id} silent for {worker.silent:.0f} s, limit {worker.limit:.0f} s"
