"""The health checks of an engine's process. A check returns a message or raises; it does not change the engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from ..engine.select import runtime_of
from ..limits.server_load import Load
from ..limits.timeouts import clock, stuck_calls
from ..plugins import Plugins
from ..security.tokens import TokenStore
from .modes import ModeName, Modes

_MOST_NAMED = 10


class Unhealthy(Exception):
    """The check fails; the message is the reason."""


class Degraded(Exception):
    """The process works with limitations: `/healthz` fails, the other endpoints only warn."""


Level = Literal["ok", "notice", "warning", "drained", "failed"]


class Outcome(Struct, frozen=True):
    """The result of a check.

    Attributes:
        level: `notice` fails no endpoint, `warning` only `/healthz`, `drained` only `/readyz`.
        message: the reason or the finding; one line without secrets.
        detail: the message for callers with a role above public; empty if it is the same.
        modes: the modes that the engine is in.
    """

    level: Level
    message: str
    detail: str = ""
    modes: tuple[ModeName, ...] = ()


class Subject(Struct, frozen=True):
    """The objects that are checked.

    Attributes:
        manager: the engine's manager, or None.
        plugins: the result of loading the endpoint files.
        load: returns the load of the server; None if another WSGI server serves the app.
        timeout: timeout of a call or a script in seconds, whichever is larger.
        modes: the modes of the engine.
        tokens: the valid bearer tokens.
    """

    manager: Any
    plugins: Plugins
    load: Callable[[], Load] | None
    timeout: float
    modes: Modes
    tokens: TokenStore


def check_engine(subject: Subject) -> str:
    """Check that the engine is healthy, or not needed."""
    manager = _manager(subject)
    if not manager.is_healthy():
        raise Unhealthy("the engine reports that it is not healthy")
    return "" if _storage_manager(manager) is not None else "no storage needed on this rank"


def check_backends(subject: Subject) -> str:
    """Check that a worker has a storage backend, and that all backends are connected."""
    manager = _manager(subject)
    storage = _storage_manager(manager)
    if storage is None:
        return "not needed on this rank"
    names = storage.get_all_backend_names()
    if not names:
        raise Unhealthy("there is no storage backend; POST /backends creates those of the configuration")
    unreachable = runtime_of(manager).unreachable_backends()
    if unreachable:
        reasons = listed([f"{name}: {reason}" for name, reason in unreachable.items()])
        raise (Degraded if set(names) - unreachable.keys() else Unhealthy)(reasons)
    return listed(names)


def check_periodic_threads(subject: Subject) -> str:
    """Check that no critical periodic thread is late."""
    threads = runtime_of(_manager(subject)).periodic_threads()
    late = [
        f"{thread['name']} (every {thread['interval']:g} s, {_last_run(thread['last_run_ago'])})"
        for thread in threads
        if thread["level"] == "critical" and thread["is_running"] and not thread["is_active"]
    ]
    if late:
        raise Unhealthy(f"late: {listed(late)}")
    return ""


def check_plugins(subject: Subject) -> str:
    """Check that all endpoint files are served."""
    failed = subject.plugins.public
    if failed:
        # This is public, so the path of the file and the text of the exception are only in the log.
        reasons = listed([f"{Path(source).name}: {reason}" for source, reason in failed.items()])
        raise Degraded(f"not served: {reasons}")
    return ""


def check_server(subject: Subject) -> str:
    """Check that queued requests are served, and that calls into the engine return."""
    stuck = sum(sample.value for metric in stuck_calls.collect() for sample in metric.samples)
    found = "another WSGI server serves the app, its queue is unknown"
    if subject.load is not None:
        load = subject.load()
        found = str(load)
        # All timeouts have expired, so the worker threads are stuck, and only a restart frees them.
        if load.longest_wait > subject.timeout:
            raise Unhealthy(f"{found}, the first for {load.longest_wait:.3g} s; calls may take {subject.timeout:g} s")
    if stuck:
        raise Degraded(f"{found}; {stuck:g} calls into the engine do not return, see GET /threads?name=stuck")
    return found


def check_modes(subject: Subject) -> Outcome:
    """Check that the engine is in no restricted mode."""
    try:
        found = subject.modes.of_engine()
    except Exception as error:  # An exception of the engine here must not take it out of service.
        return Outcome("notice", f"the modes cannot be read: {type(error).__name__}")
    names = tuple(mode.name for mode in found)
    message, detail = (listed([mode.describe(with_caller) for mode in found]) for with_caller in (False, True))
    return Outcome("notice" if found else "ok", message, detail, names)


def check_drain(subject: Subject) -> Outcome:
    """Check that the rank is in rotation."""
    drain = subject.modes.rotation.drained
    if drain is None:
        return Outcome("ok", "")
    until = "until POST /admin/undrain" if drain.until is None else f"until {clock(drain.until)}"
    reason = f": {drain.reason}" if drain.reason else ""
    since = f"drained since {clock(drain.since)}"
    return Outcome("drained", f"{since}, {until}{reason}", f"{since} by {drain.by}, {until}{reason}", ("drained",))


def check_tokens(subject: Subject) -> str:
    """Check that the tokens file, if any, is valid."""
    problem = subject.tokens.problem
    if problem:
        raise Degraded(f"the tokens file cannot be used: {problem}; the server's log names it")
    return "" if subject.tokens.in_use else "none are configured"


Check = Callable[[Subject], str | Outcome]

CHECKS: dict[str, Check] = {
    "engine": check_engine,
    "backends": check_backends,
    "periodic_threads": check_periodic_threads,
    "plugins": check_plugins,
    "server": check_server,
    "modes": check_modes,
    "drain": check_drain,
    "tokens": check_tokens,
}

IN_MEMORY = frozenset({"plugins", "server", "drain"})
"""The checks that do not call the engine; they run in the thread of the request."""


def _manager(subject: Subject) -> Any:
    if subject.manager is None:
        raise Unhealthy("there is no LMCache manager")
    return subject.manager


def _storage_manager(manager: Any) -> Any:
    """Return the storage manager; None if the role needs none. Raise `Unhealthy` if it is missing."""
    engine = manager.lmcache_engine
    role = getattr(manager.lmcache_engine_metadata, "role", None)
    if role == "scheduler" or (engine is None and role != "worker"):
        return None
    if engine is None:
        raise Unhealthy("this worker has no engine: it is starting, or its creation has failed")
    # With multi-head latent attention, only the first rank has a storage manager in LMCache.
    if engine.storage_manager is None and not getattr(engine, "post_inited", False):
        raise Unhealthy("the engine is still starting: it has no storage manager yet")
    return engine.storage_manager


def _last_run(seconds: float | None) -> str:
    return "never ran" if seconds is None else f"last ran {seconds:.3g} s ago"


def listed(items: list[str]) -> str:
    """Return the items separated by commas; of more than ten, the first ten and how many more there are."""
    more = f" and {len(items) - _MOST_NAMED} more" if len(items) > _MOST_NAMED else ""
    return ", ".join(items[:_MOST_NAMED]) + more
