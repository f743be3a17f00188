"""Split tokens into chunks; the key of a chunk depends on all tokens before it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from .metadata import EmbeddedMetadata


@dataclass(frozen=True)
class ChunkKey:
    """The key of a chunk of KV cache: one worker's part of one token prefix."""

    model_name: str
    world_size: int
    worker_id: int
    chunk_hash: str

    def __str__(self) -> str:
        return f"{self.model_name}@{self.world_size}@{self.worker_id}@{self.chunk_hash}"


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
    tokens: Sequence[int], metadata: EmbeddedMetadata, hash_function: HashFunction = sha256
) -> Iterator[tuple[int, ChunkKey]]:
    """Yield (position of its first token, key) for each complete chunk of `tokens`.

    Each hash includes the hash before it, so that equal chunks after different prefixes have different keys.
    """
    size = metadata.chunk_size
    digest = b""
    for start in range(0, len(tokens) - size + 1, size):
        digest = hash_function(digest, tokens[start : start + size])
        yield start, ChunkKey(metadata.model_name, metadata.world_size, metadata.worker_id, digest.hex())
