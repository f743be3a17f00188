"""Split tokens into chunks; the key of a chunk depends on all tokens before it."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
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


def chunk_keys(
    tokens: Sequence[int], metadata: EmbeddedMetadata, request_configs: Mapping[str, Any] | None = None
) -> Iterator[tuple[int, ChunkKey]]:
    """Yield (position of its first token, key) for each complete chunk of `tokens`.

    Each hash is sha256(previous hash + the chunk's tokens as signed 64-bit integers), so that
    equal chunks after different prefixes have different keys. As in LMCache, the entries `lmcache.tag.*` of
    `request_configs` are part of the key.
    """
    size = metadata.chunk_size
    tags = tuple((k.removeprefix(_TAG), v) for k, v in (request_configs or {}).items() if k.startswith(_TAG)) or None
    digest = b""
    for start in range(0, len(tokens) - size + 1, size):
        digest = hashlib.sha256(digest + array("q", tokens[start : start + size]).tobytes()).digest()
        yield start, ChunkKey(metadata.model_name, metadata.world_size, metadata.worker_id, digest.hex(), tags)
