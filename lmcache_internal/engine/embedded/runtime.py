"""The `Runtime` of the embedded engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ...conversion import cut
from ...errors import BadRequest, ConfigError, EngineUnavailable
from ...redaction import redact
from ...version import __version__
from ..prefix import MAX_CHUNKS, Prefix, StoredKeys
from ..runtime import Chunk, Hashing, LoadedChunks, Runtime
from .cache_engine import EmbeddedEngine
from .chunks import HASH_FUNCTIONS, ChunkKey, chunk_keys
from .config import DEFINITIONS, EmbeddedConfig
from .kv_buffers import KVBuffer
from .local_cpu import LocalCPUBackend
from .local_disk import LocalDiskBackend
from .metadata import EmbeddedMetadata
from .periodic import PeriodicThread
from .prefix import read_prefix, read_stored_keys
from .simulated_remote import SimulatedRemoteBackend
from .storage_manager import disk_directory


class Rank(Protocol):
    """The attributes of a manager that the runtime uses; `EmbeddedManager` has them.

    The runtime reads them at each call, because they may be replaced.
    """

    @property
    def config(self) -> EmbeddedConfig:
        """The configuration."""

    @property
    def lmcache_engine(self) -> EmbeddedEngine | None:
        """The cache engine; None on a scheduler."""

    @property
    def lmcache_engine_metadata(self) -> EmbeddedMetadata:
        """The model and the worker."""

    @property
    def kv_caches(self) -> Mapping[str, KVBuffer]:
        """Layer name to KV buffer; empty on a scheduler."""

    @property
    def periodic_threads(self) -> Sequence[PeriodicThread]:
        """The periodic threads of the rank."""

    def require_engine(self) -> EmbeddedEngine:
        """Return the cache engine; raise `EngineUnavailable` (503) on a scheduler."""


class EmbeddedRuntime(Runtime):
    """The `Runtime` of one rank of the embedded engine."""

    definitions = DEFINITIONS
    lmc_version = f"{__version__}+embedded"
    commit_id = "embedded"
    version = f"{lmc_version}-{commit_id}"

    def __init__(self, rank: Rank) -> None:
        self._rank = rank

    def periodic_threads(self) -> list[dict[str, Any]]:
        """Return the status of each periodic thread."""
        return [thread.get_status() for thread in self._rank.periodic_threads]

    def reset_metrics(self) -> None:
        """Reset the engine's counters to zero."""
        if self._rank.lmcache_engine is not None:
            self._rank.lmcache_engine.reset_metrics()

    def store(self, tokens: Sequence[int]) -> None:
        """Store tokens."""
        self._rank.require_engine().store(tokens)

    def retrieve(self, tokens: Sequence[int]) -> int:
        """Retrieve tokens; return the number of tokens that were cached."""
        return sum(self._rank.require_engine().retrieve(tokens))

    def chunks(self, tokens: Sequence[int]) -> list[Chunk]:
        """Return the complete chunks of `tokens`."""
        return [Chunk(self._rank.lmcache_engine_metadata.chunk_size, key) for _, key in self._keys(tokens)]

    def hashing(self) -> Hashing:
        """Return how this rank hashes chunks."""
        name = self._rank.config.pre_caching_hash_algorithm
        ((_, key),) = self._keys(range(self._rank.lmcache_engine_metadata.chunk_size))
        return Hashing(name, depends_on_seed=name == "builtin", example=key.chunk_hash)

    def _keys(
        self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None = None
    ) -> list[tuple[int, ChunkKey]]:
        function = HASH_FUNCTIONS[self._rank.config.pre_caching_hash_algorithm]
        return list(chunk_keys(tokens, self._rank.lmcache_engine_metadata, function, request_configs))

    def holds(self, chunk: Chunk) -> bool:
        """Return whether a backend in service has a chunk."""
        return self._rank.require_engine().storage_manager.contains(chunk.key) is not None

    def prefix(self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None) -> Prefix:
        """Return the chunks of a prompt, with the backends that have them."""
        size = self._rank.lmcache_engine_metadata.chunk_size
        if len(tokens) // size > MAX_CHUNKS:
            raise BadRequest(f"At most {MAX_CHUNKS} chunks of {size} tokens, got {len(tokens) // size}")
        keys = self._keys(tokens, request_configs)
        return read_prefix(self._rank.lmcache_engine, self._rank.lmcache_engine_metadata, keys)

    def stored_keys(self, chunk_hash: str) -> StoredKeys:
        """Return the keys of the stored chunks that have this hash."""
        return read_stored_keys(self._rank.require_engine(), chunk_hash)

    def kv_layers(self) -> Mapping[str, KVBuffer]:
        """Return the KV buffer of each layer."""
        return self._rank.kv_caches

    def load_fs_chunks(self, config_path: str, max_chunks: int | None) -> LoadedChunks:
        """Read the chunk files in the `local_disk` of another config into the hot cache."""
        try:
            config = EmbeddedConfig.from_file(config_path, environ={})
            if config.local_disk is None:
                raise ConfigError(f"{config_path} has no local_disk to load chunks from")
            directory = disk_directory(config.local_disk, self._rank.lmcache_engine_metadata)
            source = LocalDiskBackend(str(directory), max_size=float(1 << 20))
        except (ConfigError, OSError) as error:
            raise BadRequest(cut(redact(str(error)), 1000), title="Invalid configuration file") from error
        cpu = self._rank.require_engine().storage_manager.storage_backends.get("LocalCPUBackend")
        if not isinstance(cpu, LocalCPUBackend):
            raise EngineUnavailable("There is no LocalCPUBackend to load chunks into.")
        failed = []
        keys = source.keys()
        chosen = keys[: max_chunks or None]
        for key in chosen:
            data = source.get(key)
            if data is None or not cpu.put(key, data):
                failed.append(str(key))
        return LoadedChunks(len(chosen) - len(failed), len(keys), failed)

    def unreachable_backends(self) -> dict[str, str]:
        """Return the backends that could not be created, and the simulated remote backend during an outage."""
        engine = self._rank.lmcache_engine
        if engine is None:
            return {}
        storage = engine.storage_manager
        remote = storage.storage_backends.get("RemoteBackend")
        outage = remote.outage if isinstance(remote, SimulatedRemoteBackend) else None
        return storage.not_created | ({"RemoteBackend": outage} if outage else {})
