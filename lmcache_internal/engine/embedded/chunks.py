"""Split tokens into chunks; the key of a chunk depends on all tokens before it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .metadata import EmbeddedMetadata

_TAG = "lmcache.tag."


@dataclass(frozen=True)
class ChunkKey:
    """The key of a chunk of KV cache: one worker's part of one token prefix.

    Attributes:
        tags: name and value of each tag of the request, in its order; None without tags.
    """

    model_name: str
    world_size: int
    worker_id: int
    chunk_hash: str
    tags: tuple[tuple[str, Any], ...] | None = None

    def __str__(self) -> str:
        tags = "".join(f"@{name}%{value}" for name, value in self.tags or ())
        return f"{self.model_name}@{self.world_size}@{self.worker_id}@{self.chunk_hash}{tags}"


HashFunction = Callable[[bytes, Sequence[int]], bytes]
"""Returns the hash of a chunk from the hash of the chunk before it, empty for the first one, and its tokens."""


def sha256(previous: bytes, tokens: Sequence[int]) -> bytes:
    """Return the SHA-256 digest of the previous hash and the tokens as signed 64-bit integers."""
    return hashlib.sha256(previous + array("q", tokens).tobytes()).digest()


def builtin(previous: bytes, tokens: Sequence[int]) -> bytes:
    """Return Python's `hash()`, as vLLM and LMCache use it.

    It is not the same in all processes: the hash of the text depends on PYTHONHASHSEED, and the hash of None is an
    address before Python 3.12.
    """
    before = previous or hash("the hash before the first chunk")
    return hash((before, tuple(tokens), None)).to_bytes(8, "big", signed=True)


HASH_FUNCTIONS: Mapping[str, HashFunction] = {"sha256": sha256, "builtin": builtin}
"""The values of `pre_caching_hash_algorithm`."""


def chunk_keys(
    tokens: Sequence[int],
    metadata: EmbeddedMetadata,
    hash_function: HashFunction = sha256,
    request_configs: Mapping[str, Any] | None = None,
) -> Iterator[tuple[int, ChunkKey]]:
    """Yield (position of its first token, key) for each complete chunk of `tokens`.

    Each hash includes the hash before it, so that equal chunks after different prefixes have different keys. As in
    LMCache, the entries `lmcache.tag.*` of `request_configs` are part of the key.
    """
    size = metadata.chunk_size
    tags = tuple((k.removeprefix(_TAG), v) for k, v in (request_configs or {}).items() if k.startswith(_TAG)) or None
    digest = b""
    for start in range(0, len(tokens) - size + 1, size):
        digest = hash_function(digest, tokens[start : start + size])
        yield start, ChunkKey(metadata.model_name, metadata.world_size, metadata.worker_id, digest.hex(), tags)
