"""The parts of LMCache that are not attributes of the manager, as protocols with one concern each.

LMCache keeps them in modules. `Runtime` combines the protocols; a function takes the one that it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from .definitions import Definition
from .prefix import PrefixReader


class LoadedChunks(Struct, frozen=True):
    """The result of loading chunk files from a directory.

    Attributes:
        loaded: number of chunks that are now in the hot cache.
        total: number of chunk files found.
        failed: keys of the chunks that could not be loaded.
    """

    loaded: int
    total: int
    failed: list[str]


class Chunk(Struct, frozen=True):
    """A chunk of a sequence of tokens.

    Attributes:
        tokens: number of tokens.
        key: the key of the chunk in the engine's backends.
    """

    tokens: int
    key: Any


class Hashing(Struct, frozen=True):
    """How a rank hashes the tokens of chunks.

    Attributes:
        function: the hash function that is in use, such as `builtin`.
        depends_on_seed: whether the hashes depend on PYTHONHASHSEED.
        example: the hash of the chunk with the tokens 0, 1, 2, … up to the chunk size; the same in ranks that agree.
    """

    function: str
    depends_on_seed: bool
    example: str


class KVLayer(Protocol):
    """One layer's KV cache, addressed by token slot."""

    @property
    def num_slots(self) -> int:
        """The number of token slots."""

    def rows(self, slots: Sequence[int]) -> Iterable[bytes]:
        """Return the bytes of `slots` in any number of pieces: keys in the order of `slots`, then values."""


class EngineVersion(Protocol):
    """The version of the engine."""

    @property
    def lmc_version(self) -> str:
        """The engine's version."""

    @property
    def commit_id(self) -> str:
        """The commit that the engine was built from."""

    @property
    def version(self) -> str:
        """Version and commit in one string."""


class ConfigDefinitions(Protocol):
    """The config keys of the engine."""

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """The definition of each config key, by name."""


class EngineMetrics(Protocol):
    """The metrics of the engine."""

    def reset_metrics(self) -> None:
        """Reset the engine's counters to zero."""


class PeriodicThreads(Protocol):
    """The engine's periodic threads."""

    def periodic_threads(self) -> list[dict[str, Any]]:
        """Return the status of each periodic thread, with the fields of the HTTP contract."""


class Backends(Protocol):
    """The connections of the storage backends."""

    def unreachable_backends(self) -> dict[str, str]:
        """Return the backends that exist but have no connection, each with the reason as far as it is known."""


class TokenStore(Protocol):
    """The engine's cache, addressed by tokens; token i is in slot i of the KV caches."""

    def store(self, tokens: Sequence[int]) -> None:
        """Store the KV cache of tokens."""

    def retrieve(self, tokens: Sequence[int]) -> int:
        """Retrieve tokens into the same slots; return the number of tokens that were cached."""

    def chunks(self, tokens: Sequence[int]) -> list[Chunk] | None:  # noqa: ARG002  # For engines that know.
        """Return the chunks in which `store` keeps tokens; None if the engine does not know them."""
        return None

    def hashing(self) -> Hashing | None:
        """Return how this rank hashes chunks; None if it does not, or the engine does not know."""
        return None

    def holds(self, chunk: Chunk) -> bool | None:  # noqa: ARG002  # As above.
        """Return whether a backend in service has a chunk; None while a backend still writes it.

        It sets no pin and changes no metric.
        """
        return None


class ChunkFiles(Protocol):
    """Chunk files that another engine has written."""

    def load_fs_chunks(self, config_path: str, max_chunks: int | None) -> LoadedChunks:
        """Read the chunk files that the config at `config_path` names into the hot cache."""


class KVCaches(Protocol):
    """The KV caches of the model."""

    def kv_layers(self) -> Mapping[str, KVLayer | None]:
        """Return the KV cache of each layer by name; None for a layer without known token slots."""


class BaseRuntime(EngineVersion, EngineMetrics, PeriodicThreads, Protocol):
    """What each kind of engine has around it."""


class Runtime(
    BaseRuntime,
    ConfigDefinitions,
    Backends,
    TokenStore,
    PrefixReader,
    ChunkFiles,
    KVCaches,
    Protocol,
):
    """All of them, for one engine: embedded or LMCache."""
