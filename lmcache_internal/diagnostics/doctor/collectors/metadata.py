"""The metadata of the engine: model, KV shape and type."""

from __future__ import annotations

from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {"*": "each public field of the metadata, as in `GET /meta`; empty on an MP server"}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the public fields of the metadata that are not methods."""
    if kind_of(subject.manager) == "mp":
        return {}
    metadata = subject.manager.lmcache_engine_metadata
    public = {name: getattr(metadata, name, None) for name in dir(metadata) if not name.startswith("_")}
    return {name: value for name, value in public.items() if not callable(value)}
