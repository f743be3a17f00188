"""Which process of a deployment this is."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {
    "role": "`scheduler`, `worker` or `mp` (LMCache's multi-process server)",
    "worker_id": "the number of the worker, from 0; null in other processes",
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the role and the number of this process."""
    if kind_of(subject.manager) == "mp":
        return {"role": "mp", "worker_id": None}
    metadata = subject.manager.lmcache_engine_metadata
    role = "scheduler" if metadata.role == "scheduler" else "worker"
    return {"role": role, "worker_id": metadata.worker_id if role == "worker" else None}
