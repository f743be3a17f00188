"""The calls into the engine that do not return."""

from __future__ import annotations

import time
from typing import Any

from ....limits.timeouts import clock, stuck_calls
from ...checks import Subject

FIELDS = {"stuck": "the calls that have timed out and still run, oldest first, each with `name`, `since` and `seconds`"}
_MOST = 20


def collect(subject: Subject) -> dict[str, Any]:  # noqa: ARG001  # The signature of all collectors.
    """Return the calls of this process that do not return."""
    now = time.time()
    calls = sorted(stuck_calls.running(), key=lambda call: call.started)
    return {
        "stuck": [
            {"name": call.called, "since": clock(call.started), "seconds": round(now - call.started)}
            for call in calls[:_MOST]
        ]
    }
