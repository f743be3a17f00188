"""The registered workers of LMCache's MP server, and how long each has been silent."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .runtime import WorkerState

_REGISTERED = ("registered_gpu_ids", "registered_non_cuda_instance_ids")
_ENTRIES = ("_cache_contexts", "_engine_driven_contexts")
"""Where the modules of LMCache 0.5.3 to 0.5.7 keep their workers; no public name has the time of the last message."""


def states_of(engine: Any, config: Any) -> list[WorkerState]:
    """Return the workers that are registered with an engine.

    Args:
        engine: LMCache's `MPCacheServer`, or None while it starts.
        config: LMCache's `MPServerConfig`.
    """
    if engine is None:
        return []
    reap = getattr(config, "worker_reap_timeout_seconds", 0.0)
    grace = getattr(config, "worker_registration_grace_seconds", reap)
    now, entries = time.monotonic(), _entries(engine)
    if entries is None:
        status = engine.report_status()
        return [WorkerState(each) for name in _REGISTERED for each in status.get(name, [])]
    return [
        WorkerState(number, now - entry.last_seen, reap and (reap if entry.has_liveness_signal else grace))
        for number, entry in entries.items()
    ]


def _entries(engine: Any) -> Mapping[int, Any] | None:
    """The entry of each worker; None if this version keeps them elsewhere."""
    modules = getattr(engine, "_modules", ())
    found = [getattr(module, name) for module in modules for name in _ENTRIES if hasattr(module, name)]
    entries = {number: entry for each in found for number, entry in each.copy().items()}
    known = all(hasattr(entry, "last_seen") and hasattr(entry, "has_liveness_signal") for entry in entries.values())
    return entries if found and known else None
