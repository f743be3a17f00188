"""Split tokens into chunks; the key of a chunk depends on all tokens before it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
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


def chunk_keys(tokens: Sequence[int], metadata: EmbeddedMetadata) -> Iterator[tuple[int, ChunkKey]]:
    """Yield (position of its first token, key) for each complete chunk of `tokens`.

    Each hash is sha256(previous hash + the chunk's tokens as signed 64-bit integers), so that
    equal chunks after different prefixes have different keys.
    """
    size = metadata.chunk_size
    digest = b""
    for start in range(0, len(tokens) - size + 1, size):
        digest = hashlib.sha256(digest + array("q", tokens[start : start + size]).tobytes()).digest()
        yield start, ChunkKey(metadata.model_name, metadata.world_size, metadata.worker_id, digest.hex())
