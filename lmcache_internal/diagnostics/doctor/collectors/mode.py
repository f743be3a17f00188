"""The mode of this rank: what has been switched off, and which backends work."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ....engine.select import runtime_of
from ....limits.timeouts import clock
from ...checks import Subject
from ...drain import Drain

FIELDS = {
    "drained": "null, or `since`, `until` (null for no end), `by` and `reason` of the drain",
    "is_healthy": "whether the engine reports that it is healthy",
    "modes": "the restricted modes, each with `name`, `backend`, `since` and `by`; only of a rank with storage",
    "backends": "the names of the backends; only of a rank with storage",
    "in_service": "the backends that store new chunks; only of a rank with storage",
    "unreachable": "the backends without a connection, with the reason; only of a rank with storage",
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the mode of this rank."""
    facts: dict[str, Any] = {
        "drained": _drain(subject.modes.rotation.drained),
        "is_healthy": bool(subject.manager.is_healthy()),
    }
    state = None if kind_of(subject.manager) == "mp" else subject.modes.engine_state()
    if state is None:
        return facts
    modes = [
        {"name": mode.name, "backend": mode.backend, "since": clock(mode.since), "by": mode.by}
        for mode in subject.modes.of_engine()
    ]
    return {
        **facts,
        "modes": modes,
        "backends": state.backends,
        "in_service": state.in_service,
        "unreachable": runtime_of(subject.manager).unreachable_backends(),
    }


def _drain(drain: Drain | None) -> dict[str, Any] | None:
    if drain is None:
        return None
    until = None if drain.until is None else clock(drain.until)
    return {"since": clock(drain.since), "until": until, "by": drain.by, "reason": drain.reason}
