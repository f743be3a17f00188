"""What can be wrong with an engine's process. A check returns what it found, or raises; it changes nothing."""

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
    """The check fails; the message says why."""


class Degraded(Exception):
    """It works, but not as it should: `/healthz` fails, the others only warn."""


Level = Literal["ok", "notice", "warning", "drained", "failed"]


class Outcome(Struct, frozen=True):
    """What a check came to.

    Attributes:
        level: `notice` fails nothing, `warning` fails `/healthz` alone, `drained` `/readyz` alone.
        message: why, or what was found; one line without secrets.
        detail: the same for callers who may read more than the public; empty where it is no other.
        modes: the modes that were found.
    """

    level: Level
    message: str
    detail: str = ""
    modes: tuple[ModeName, ...] = ()


class Subject(Struct, frozen=True):
    """What is checked.

    Attributes:
        manager: the engine's manager, or None.
        plugins: what became of the endpoint files.
        load: tells how busy the server is; None where it is not ours.
        patience: seconds that a call or a script may take at most.
        modes: the modes of the engine.
        tokens: the bearer tokens that are accepted.
    """

    manager: Any
    plugins: Plugins
    load: Callable[[], Load] | None
    patience: float
    modes: Modes
    tokens: TokenStore


def check_engine(subject: Subject) -> str:
    """There is a healthy engine, or none is needed."""
    manager = _manager(subject)
    if not manager.is_healthy():
        raise Unhealthy("the engine says that it is not healthy")
    return "" if _storage_manager(manager) is not None else "it needs no storage here"


def check_backends(subject: Subject) -> str:
    """A worker has a storage backend, and each has its connection."""
    manager = _manager(subject)
    storage = _storage_manager(manager)
    if storage is None:
        return "none are needed here"
    names = storage.get_all_backend_names()
    if not names:
        raise Unhealthy("there is no storage backend; POST /backends makes those of the config")
    unreachable = runtime_of(manager).unreachable_backends()
    if unreachable:
        reasons = listed([f"{name}: {reason}" for name, reason in unreachable.items()])
        raise (Degraded if set(names) - unreachable.keys() else Unhealthy)(reasons)
    return listed(names)


def check_periodic_threads(subject: Subject) -> str:
    """No critical thread runs late."""
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
    """All endpoint files are served."""
    failed = subject.plugins.public
    if failed:
        # Everybody may ask here: the log has the path of the file, and the text of the exception.
        reasons = listed([f"{Path(source).name}: {reason}" for source, reason in failed.items()])
        raise Degraded(f"not served: {reasons}")
    return ""


def check_server(subject: Subject) -> str:
    """The queue of requests moves, and calls into the engine return."""
    stuck = sum(sample.value for metric in stuck_calls.collect() for sample in metric.samples)
    found = "the WSGI server is not ours, its queue is not seen"
    if subject.load is not None:
        load = subject.load()
        found = str(load)
        # A thread that keeps its deadline would have come back by now: only a restart frees these.
        if load.longest_wait > subject.patience:
            raise Unhealthy(f"{found}, the first for {load.longest_wait:.3g} s; calls may take {subject.patience:g} s")
    if stuck:
        raise Degraded(f"{found}; {stuck:g} calls into the engine do not return, see GET /threads?name=stuck")
    return found


def check_modes(subject: Subject) -> Outcome:
    """The engine is in no mode in which it serves less than it could."""
    try:
        found = subject.modes.of_engine()
    except Exception as error:  # What an engine may raise here must not take it out of service.
        return Outcome("notice", f"the modes cannot be read: {type(error).__name__}")
    names = tuple(mode.name for mode in found)
    told, detail = (listed([mode.told(with_caller) for mode in found]) for with_caller in (False, True))
    return Outcome("notice" if found else "ok", told, detail, names)


def check_drain(subject: Subject) -> Outcome:
    """The rank is in rotation."""
    drain = subject.modes.rotation.drained
    if drain is None:
        return Outcome("ok", "")
    until = "until POST /admin/undrain" if drain.until is None else f"until {clock(drain.until)}"
    reason = f": {drain.reason}" if drain.reason else ""
    told = f"drained since {clock(drain.since)}"
    return Outcome("drained", f"{told}, {until}{reason}", f"{told} by {drain.by}, {until}{reason}", ("drained",))


def check_tokens(subject: Subject) -> str:
    """The tokens file, if there is one, can be used."""
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
"""The checks that call nothing of the engine: they run in the thread of the request, and need no other."""


def _manager(subject: Subject) -> Any:
    if subject.manager is None:
        raise Unhealthy("there is no LMCache manager")
    return subject.manager


def _storage_manager(manager: Any) -> Any:
    """The storage manager; None where the role needs none, `Unhealthy` where it is still to come."""
    engine = manager.lmcache_engine
    role = getattr(manager.lmcache_engine_metadata, "role", None)
    if role == "scheduler" or (engine is None and role != "worker"):
        return None
    if engine is None:
        raise Unhealthy("this worker has no engine: it still starts, or it could not be made")
    # With multi-head latent attention, LMCache gives a storage manager to the first rank alone.
    if engine.storage_manager is None and not getattr(engine, "post_inited", False):
        raise Unhealthy("the engine is still starting: it has no storage manager yet")
    return engine.storage_manager


def _last_run(seconds: float | None) -> str:
    return "never ran" if seconds is None else f"last ran {seconds:.3g} s ago"


def listed(items: list[str]) -> str:
    """Return the items separated by commas; of more than ten, the first ten and how many more there are."""
    more = f" and {len(items) - _MOST_NAMED} more" if len(items) > _MOST_NAMED else ""
    return ", ".join(items[:_MOST_NAMED]) + more
