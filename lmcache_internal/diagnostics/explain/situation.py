"""The facts from which the reasons of a miss are derived."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ...engine.prefix import Prefix, PrefixChunk, StoredKeys
from ..engine_state import CPU, EngineState
from ..modes import Mode
from .seen import Sight


class Reason(Struct, frozen=True):
    """Why a chunk is not a hit.

    Attributes:
        code: a trouble in `doctor/catalogue/`, described in docs/runbook.md.
        message: what was found, in one or two sentences.
        evidence: the facts behind it.
        next_step: what to do.
    """

    code: str
    message: str
    evidence: dict[str, Any]
    next_step: str


class Situation(Struct, frozen=True):
    """A prompt, its cached prefix, and the state of the engine.

    Attributes:
        tokens: number of tokens of the prompt.
        prefix: its chunks.
        state: the switches of the engine; None without storage.
        modes: the restricted modes of the engine, and since when.
        unreachable: the backends without connection, each with the reason.
        stored: the stored chunks with the hash of the first missing chunk; None if they were not examined.
        sight: when and where the first missing chunk was seen last; None if it was not seen.
        config: the configuration of the engine.
    """

    tokens: int
    prefix: Prefix
    state: EngineState | None = None
    modes: list[Mode] = []
    unreachable: Mapping[str, str] = {}
    stored: StoredKeys | None = None
    sight: Sight | None = None
    config: Any = None

    @property
    def missing(self) -> list[PrefixChunk]:
        """The full chunks after the cached prefix; none if the prefix is unknown."""
        return missing_chunks(self.prefix)

    @property
    def in_service(self) -> list[str]:
        """The backends that store new chunks and are not bypassed."""
        state = self.state
        if state is None:
            return []
        return [name for name in state.backends if name not in state.bypassed and (name != CPU or state.hot_cache)]

    @property
    def is_complete(self) -> bool:
        """Whether a chunk that was not found is in no backend, not even in one that was closed or has no connection."""
        is_closed = any(mode.name == "closed" for mode in self.modes)
        return self.prefix.is_complete and not self.unreachable and not is_closed

    def mode(self, name: str, backend: str = "") -> Mode | None:
        """Return the mode of that name, if the engine is in it."""
        return next((mode for mode in self.modes if (mode.name, mode.backend) == (name, backend)), None)


def missing_chunks(prefix: Prefix) -> list[PrefixChunk]:
    """Return the full chunks after the cached prefix; none if the prefix is unknown."""
    if prefix.cached_tokens is None:
        return []
    return [
        chunk for chunk in prefix.chunks if chunk.start >= prefix.cached_tokens and chunk.tokens == prefix.chunk_size
    ]
