"""What LMCache keeps in modules rather than in objects, behind one small protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from .definitions import Definition


class LoadedChunks(Struct, frozen=True):
    """What became of the chunk files of a directory.

    Attributes:
        loaded: chunks that are in the hot cache now.
        total: chunk files found.
        failed: the keys of those that could not be loaded.
    """

    loaded: int
    total: int
    failed: list[str]


class Chunk(Struct, frozen=True):
    """A chunk of a sequence of tokens.

    Attributes:
        tokens: how many tokens it has.
        key: what the engine's backends know it by.
    """

    tokens: int
    key: Any


class KVLayer(Protocol):
    """One layer's KV cache, addressed by token slot."""

    @property
    def num_slots(self) -> int:
        """The number of token slots."""

    def rows(self, slots: Sequence[int]) -> Iterable[bytes]:
        """The bytes of `slots` in any number of pieces: of the keys in that order, then of the values."""


class Runtime(Protocol):
    """The surroundings of one engine: the embedded one's, or the installed LMCache's."""

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """The config keys that the engine knows."""

    @property
    def lmc_version(self) -> str:
        """The engine's version."""

    @property
    def commit_id(self) -> str:
        """The commit that the engine was built from."""

    @property
    def version(self) -> str:
        """Version and commit in one."""

    def periodic_threads(self) -> list[dict[str, Any]]:
        """The status of each periodic thread, with the fields of the HTTP contract."""

    def reset_metrics(self) -> None:
        """Start the engine's counts again at zero."""

    def store(self, tokens: Sequence[int]) -> None:
        """Store tokens; token i stands in slot i of the KV caches."""

    def retrieve(self, tokens: Sequence[int]) -> int:
        """Retrieve tokens into the same slots; return how many were cached."""

    def chunks(self, tokens: Sequence[int]) -> list[Chunk] | None:  # noqa: ARG002  # For those that can tell.
        """The chunks in which `store` keeps tokens; None where the engine cannot tell."""
        return None

    def holds(self, chunk: Chunk) -> bool | None:  # noqa: ARG002  # Likewise.
        """Whether a backend in service has a chunk, without a pin or a metric; None while one still writes it."""
        return None

    def kv_layers(self) -> Mapping[str, KVLayer | None]:
        """The KV cache of each layer, by its name; None for a layer without token slots that are known."""

    def load_fs_chunks(self, config_path: str, max_chunks: int | None) -> LoadedChunks:
        """Read the chunk files that the config at `config_path` names into the hot cache."""

    def unreachable_backends(self) -> dict[str, str]:
        """Backends that exist but have no connection, each with what is known of the reason."""
