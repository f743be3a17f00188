"""The memory that chunks take."""

from __future__ import annotations

import math
from typing import Any

from ....engine.kinds import kind_of
from ...checks import Subject

FIELDS = {"chunk_bytes": "the bytes of a chunk over all layers of this worker; missing if the engine does not say"}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the size of a chunk: the embedded engine's own value, or the sum of LMCache's groups of layers."""
    if kind_of(subject.manager) == "mp":
        return {}
    metadata = subject.manager.lmcache_engine_metadata
    own = getattr(metadata, "chunk_bytes", None)
    if own is not None:
        return {"chunk_bytes": own}
    if not (hasattr(metadata, "get_shapes") and hasattr(metadata, "get_dtypes")):
        return {}
    groups = zip(metadata.get_shapes(), metadata.get_dtypes(), strict=True)
    return {"chunk_bytes": sum(math.prod(shape) * dtype.itemsize for shape, dtype in groups)}
