"""The `Runtime` of a real LMCache engine: everything that the server imports from LMCache."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from ..conversion import cut
from ..errors import BadRequest, EngineFailed
from ..redaction import redact
from ..redaction.log_lines import get_logger
from . import kv_layout
from .definitions import Definition
from .lmcache_names import load
from .lmcache_prefix import read_prefix, read_stored_keys
from .lmcache_version import LMCacheVersion
from .prefix import Prefix, StoredKeys
from .runtime import Chunk, Hashing, KVLayer, LoadedChunks, Runtime
from .sizes import LARGEST_FILE_SYSTEM, MACHINE_MEMORY

logger = get_logger(__name__)

_LOAD_AT_ONCE = 10

# Read by the constructors of storage backends (LMCache 0.5.6). Most other keys were not examined.
_READ_BY_BACKENDS = frozenset(
    {"local_cpu", "local_disk", "max_local_cpu_size", "max_local_disk_size", "remote_serde", "remote_url"}
)

_LARGEST = {"max_local_cpu_size": MACHINE_MEMORY, "max_local_disk_size": LARGEST_FILE_SYSTEM}


@functools.cache
def _definitions() -> dict[str, Definition]:
    known = ("type", "default", "env_converter", "mutable", "description")
    return {
        name: Definition(
            **{field: definition[field] for field in known if field in definition},
            minimum=0 if name in _LARGEST else None,
            maximum=_LARGEST.get(name),
            takes_effect="when its backend is recreated" if name in _READ_BY_BACKENDS else "unknown",
        )
        for name, definition in load("_CONFIG_DEFINITIONS").items()
    }


class LMCacheRuntime(LMCacheVersion, Runtime):
    """The `Runtime` of one `LMCacheManager`."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """LMCache's own config definitions."""
        return _definitions()

    def periodic_threads(self) -> list[dict[str, Any]]:
        """Return the status of each thread in LMCache's registry."""
        return [thread.get_status() for thread in load("PeriodicThreadRegistry").get_instance().get_all()]

    def reset_metrics(self) -> None:
        """Reset LMCache's counters and histograms."""
        load("reset_observability_metrics")()

    def store(self, tokens: Sequence[int]) -> None:
        """Store tokens; token i is in slot i."""
        self._engine.store(req_id="internal_api_store", **self._request(tokens))

    def retrieve(self, tokens: Sequence[int]) -> int:
        """Retrieve tokens into the slots 0, 1, …; return the number of tokens that were cached."""
        mask = self._engine.retrieve(req_id="internal_api_retrieve", **self._request(tokens))
        return int(mask.sum())

    def chunks(self, tokens: Sequence[int]) -> list[Chunk]:
        """Return the chunks in which LMCache keeps `tokens`."""
        found = self._engine.token_database.process_tokens(list(tokens))
        return [Chunk(end - start, key) for start, end, key in found]

    def hashing(self) -> Hashing | None:
        """Return how this rank hashes chunks: the engine of a worker, the lookup client of a scheduler."""
        owner = self._engine or self._manager.lookup_client
        # The client that counts chunks wraps the one that hashes them.
        database: Any = getattr(getattr(owner, "actual_lookup_client", owner), "token_database", None)
        function = getattr(database, "hash_func", None)
        size = getattr(database, "chunk_size", None)
        if function is None or size is None:
            return None  # Segments instead of chunks, or a lookup client that leaves the hashes to the workers.
        # The hash before the first chunk is vLLM's, which depends on PYTHONHASHSEED, or 0 without vLLM.
        root = getattr(sys.modules[type(database).__module__], "NONE_HASH", 0)
        ((_, _, example),) = database.process_tokens(list(range(size)), make_key=False)
        name = "builtin" if function is hash else str(getattr(function, "__name__", function))
        return Hashing(name, depends_on_seed=root != 0, example=f"{example:x}")

    def holds(self, chunk: Chunk) -> bool | None:
        """Return whether a backend in service has a chunk; None while a backend still writes it."""
        storage = self._engine.storage_manager
        # This order is required: a chunk that is written between the two calls is found by the second call.
        is_written_now = any(
            backend.exists_in_put_tasks(chunk.key)
            for name, backend in list(storage.storage_backends.items())
            if not storage.is_backend_bypassed(name)
        )
        return True if storage.contains(chunk.key) is not None else (None if is_written_now else False)

    def prefix(self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None) -> Prefix:
        """Return the chunks of a prompt, with the backends that have them."""
        return read_prefix(self._manager, tokens, request_configs)

    def stored_keys(self, chunk_hash: str) -> StoredKeys:
        """Return the keys of the stored chunks that have this hash."""
        return read_stored_keys(self._engine, chunk_hash)

    def kv_layers(self) -> Mapping[str, KVLayer | None]:
        """Return the KV cache of each layer; None if its layout is unknown, see kv_layout.py."""
        known = kv_layout.known_of(self._manager)
        return {name: kv_layout.layer_of(cache, known) for name, cache in self._manager.kv_caches.items()}

    def load_fs_chunks(self, config_path: str, max_chunks: int | None) -> LoadedChunks:
        """Read the files of the FS connector in the config into the hot cache."""
        storage = self._engine.storage_manager
        remote = _remote_backend(self._engine, config_path)
        load_one = functools.partial(_load_one, remote, storage.allocator_backend)
        try:
            names = asyncio.run_coroutine_threadsafe(remote.connection.list(), storage.loop).result()
            chosen = names[: max_chunks or None]
            # In a separate thread pool, because the connector reads files in the thread pool of the event loop.
            with ThreadPoolExecutor(_LOAD_AT_ONCE, thread_name_prefix="load-fs-chunks") as pool:
                loaded = list(pool.map(load_one, chosen))
        finally:
            remote.close()
        failed = [_key_text(name) for name, success in zip(chosen, loaded, strict=True) if not success]
        return LoadedChunks(len(chosen) - len(failed), len(names), failed)

    def unreachable_backends(self) -> dict[str, str]:
        """Return the remote backends without a connection."""
        backends = self._engine.storage_manager.storage_backends
        return {
            name: f"no connection to {self._manager.config.remote_url}"
            for name, backend in list(backends.items())
            if getattr(backend, "connection", backend) is None
        }

    @property
    def _engine(self) -> Any:
        return self._manager.lmcache_engine

    def _request(self, tokens: Sequence[int]) -> dict[str, Any]:
        connector = self._engine.gpu_connector
        kv_caches = connector.kvcaches if connector else None
        device = kv_caches[0].device if kv_caches else "cpu"
        slots = torch.arange(len(tokens), dtype=torch.long, device=device)
        return {"tokens": list(tokens), "slot_mapping": slots, "kvcaches": kv_caches}


def _remote_backend(engine: Any, config_path: str) -> Any:
    try:
        config = load("LMCacheEngineConfig").from_file(config_path)
    except Exception as error:  # YAML, types, the file system: any error here is caused by the caller's file.
        raise BadRequest(cut(redact(str(error)), 1000), title="Invalid configuration file") from error
    storage = engine.storage_manager
    try:
        remote = load("RemoteBackend")(
            config=config,
            metadata=engine.metadata,
            loop=storage.loop,
            local_cpu_backend=storage.allocator_backend,
            dst_device="cpu",
        )
        remote.init_connection()
    except Exception as error:  # A connector may raise any exception for an invalid URL.
        raise EngineFailed(cut(redact(str(error)), 1000), title="Failed to initialize RemoteBackend") from error
    connection = remote.connection
    if connection is None or not hasattr(connection, "list"):
        raise EngineFailed(
            f"{redact(config.remote_url)} is not an fs:// URL that can be opened", title="FSConnector not initialized"
        )
    return remote


def _key_text(name: str) -> str:
    """Return the key of a chunk file; file names contain `-SEP-` instead of slashes."""
    return name.replace("-SEP-", "/")


def _load_one(remote: Any, allocator: Any, name: str) -> bool:
    try:
        key = load("CacheEngineKey").from_string(_key_text(name))
        chunk = remote.get_blocking(key)
        if chunk is None:
            return False
        allocator.submit_put_task(key, chunk)
        chunk.ref_count_down()
        return True
    except Exception:  # One invalid file must not prevent loading the others; the response lists its key.
        logger.exception("The chunk file %s was not loaded", name)
        return False
