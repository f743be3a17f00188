"""The cached prefix of a prompt: its chunks, their keys, and the backends that have them.

An engine fills these structures with its own functions for keys and lookups, so that they agree with `retrieve`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

StorageKind = Literal["memory", "disk", "remote"]

MAX_CHUNKS = 8192
"""The most chunks that are examined for one request; each of them takes a lookup in each backend."""

_KINDS: dict[str, StorageKind] = {
    "LocalCPUBackend": "memory",
    "PDBackend": "memory",
    "LocalDiskBackend": "disk",
    "GdsBackend": "disk",
    "RemoteBackend": "remote",
    "MaruBackend": "remote",
    "P2PBackend": "remote",
    "L1": "memory",
}
_L2_KINDS: dict[str, StorageKind] = {
    **dict.fromkeys(("dax", "fs", "fs_native", "raw_block"), "disk"),
    **dict.fromkeys(("aerospike", "bigtable", "mooncake_store", "p2p", "resp", "s3", "valkey"), "remote"),
}


class KeyParts(Struct, frozen=True):
    """The key of a chunk, part by part.

    Attributes:
        world_size: number of ranks; None if it is another one than in the request, and unknown.
        worker_id: the rank; None on an MP server, where a chunk has a slice for each rank.
        dtype: the type of the elements; None on an MP server, whose keys do not include it.
        chunk_hash: the hash of the chunk and of all tokens before it, hexadecimal.
        tags: the tags of the request (`lmcache.tag.*`) in their order; None without tags.
        cache_salt: the tenant, on an MP server; None in other engines.
    """

    model_name: str
    world_size: int | None
    worker_id: int | None
    dtype: str | None
    chunk_hash: str
    tags: dict[str, Any] | None = None
    cache_salt: str | None = None


class PrefixChunk(Struct, frozen=True):
    """One chunk of a prompt.

    Attributes:
        start: the position of its first token.
        end: the position after its last token.
        key: its key.
        backends: the backends that have it, including those that `retrieve` does not read.
        hit: whether `retrieve` reads it.
        being_written: whether a backend has not finished writing it.
        slices: the number of its slices, one for each rank and group of layers.
        slices_found: the number of slices that are cached.
        is_examined: whether it was looked up in each backend that can be looked up in.
    """

    start: int
    end: int
    key: KeyParts
    backends: tuple[str, ...] = ()
    hit: bool = False
    being_written: bool = False
    slices: int = 1
    slices_found: int = 0
    is_examined: bool = True

    @property
    def tokens(self) -> int:
        """The number of its tokens."""
        return self.end - self.start


class Prefix(Struct, frozen=True):
    """The chunks of one prompt, and what `retrieve` does with them.

    Attributes:
        chunk_size: tokens per chunk.
        chunks: the chunks, in order.
        searched: the backends that were examined.
        cached_tokens: the length of the prefix in the backends that `retrieve` reads; None if it is unknown.
        hit_tokens: the number of tokens that `retrieve` returns; None if it is unknown.
        loaded_tokens: the number of tokens that are compared with `min_retrieve_tokens`; None if it is unknown.
        lookup_tokens: the number of tokens that `lookup` returns; None if it is unknown.
        skipped: the backends that `retrieve` does not read, each with the reason: bypassed or frozen.
        is_healthy: whether the engine serves requests.
        is_complete: whether each chunk was looked up in each backend.
        not_checked: what could not be examined, each with the reason.
    """

    chunk_size: int
    chunks: list[PrefixChunk]
    searched: tuple[str, ...] = ()
    cached_tokens: int | None = None
    hit_tokens: int | None = None
    loaded_tokens: int | None = None
    lookup_tokens: int | None = None
    skipped: Mapping[str, str] = {}
    is_healthy: bool = True
    is_complete: bool = True
    not_checked: list[str] = []


class StoredKey(Struct, frozen=True):
    """The key of a stored chunk, and its backend."""

    backend: str
    key: KeyParts


class StoredKeys(Struct, frozen=True):
    """The stored chunks with one hash.

    Attributes:
        total: number of chunks in the backends that can list their keys.
        alike: the keys with the hash.
        not_listed: the backends that cannot list their keys.
    """

    total: int
    alike: list[StoredKey]
    not_listed: list[str]


class PrefixReader(Protocol):
    """Reads which chunks of a prompt are cached; it moves and pins nothing, and changes no metric."""

    def prefix(self, tokens: Sequence[int], request_configs: Mapping[str, Any] | None) -> Prefix:
        """Return the chunks of a prompt, with the backends that have them.

        Raises:
            BadRequest: the prompt has more than `MAX_CHUNKS` chunks (400).
            EngineUnavailable: the engine is starting (503).
        """

    def stored_keys(self, chunk_hash: str) -> StoredKeys:
        """Return the keys of the stored chunks that have this hash, hexadecimal."""


def storage_kind(backend: str | None) -> StorageKind | None:
    """Return the kind of storage of a backend or an L2 adapter, by its name; None if it is unknown."""
    name = backend or ""
    if name.startswith("L2:"):
        return _L2_KINDS.get(name.removeprefix("L2:").partition("#")[0])
    return _KINDS.get(name.partition("-")[0])
