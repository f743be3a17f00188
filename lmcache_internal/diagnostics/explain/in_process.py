"""Collect the facts of an in-process engine for one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...engine.protocols import Manager
from ...engine.runtime import Runtime
from ..modes import Mode, Modes
from .explanation import Explanation, explanation_of
from .seen import Seen
from .situation import Situation, missing_chunks


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
        BadRequest: the prompt has too many chunks (400).
        EngineUnavailable: the rank makes no keys (503).
        NotSupported: the keys of the engine are not those of a prefix (501).
    """
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
