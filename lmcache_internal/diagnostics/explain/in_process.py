"""Collect the facts of an in-process engine for one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ...engine.protocols import Manager
from ...engine.runtime import Runtime
from ...errors import BadRequest
from ..modes import Mode, Modes
from .explanation import Explanation, explanation_of
from .seen import Seen
from .situation import Situation, missing_chunks

MAX_CONFIG_BYTES = 1024
"""The largest `request_configs`, as JSON. The response repeats its tags in the key of each chunk."""


def explain(
    manager: Manager,
    runtime: Runtime,
    modes: Modes,
    seen: Seen,
    tokens: Sequence[int],
    request_configs: Mapping[str, Any] | None,
) -> Explanation:
    """Return which chunks of a prompt are cached, and why the others are not.

    Raises:
        BadRequest: the prompt has too many chunks, or `request_configs` is larger than `MAX_CONFIG_BYTES` (400).
        EngineUnavailable: the rank makes no keys (503).
        NotSupported: the keys of the engine are not those of a prefix (501).
    """
    size = len(msgspec.json.encode(request_configs)) if request_configs else 0
    if size > MAX_CONFIG_BYTES:
        raise BadRequest(f"request_configs may have {MAX_CONFIG_BYTES} bytes as JSON, and has {size}.")
    prefix = runtime.prefix(tokens, request_configs)
    state = modes.engine_state()
    missing = missing_chunks(prefix)
    sight = seen.last(missing[0].key) if missing else None
    seen.update(prefix.chunks)
    absent = bool(missing) and not missing[0].backends and state is not None
    return explanation_of(
        Situation(
            len(tokens),
            prefix,
            state,
            [*modes.of_engine(), *_drained(modes)],
            runtime.unreachable_backends() if state is not None else {},
            runtime.stored_keys(missing[0].key.chunk_hash) if absent else None,
            sight,
            manager.config,
        )
    )


def _drained(modes: Modes) -> list[Mode]:
    drain = modes.rotation.drained
    return [] if drain is None else [Mode("drained", "", drain.since, drain.by)]
