"""The embedded engine's metadata: the model and the worker."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

KVShape = tuple[int, int, int, int, int]
"""(layers, 2 or 1 for MLA, tokens per chunk, KV heads, head size)."""

EXAMPLE_MODEL = "example-model"

DTYPE_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4, "float8_e4m3fn": 1, "uint8": 1}


@dataclass(frozen=True)
class EmbeddedMetadata:
    """Metadata with LMCache's interface.

    Attributes:
        kv_shape: see `KVShape`.
        kv_dtype: element type, one of `DTYPE_BYTES`.
        worker_id: number of the worker of the model, from 0.
        world_size: number of workers of the model.
        role: "worker" or "scheduler".
    """

    model_name: str
    kv_shape: KVShape
    kv_dtype: str = "float16"
    worker_id: int = 0
    world_size: int = 1
    role: str = "worker"
    served_model_name: str | None = None

    first_rank: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if len(self.kv_shape) != 5 or min(self.kv_shape) < 1 or self.kv_shape[1] > 2:
            raise ValueError(f"kv_shape must be (layers, 1 or 2, tokens, heads, head size), got {self.kv_shape}")
        if self.kv_dtype not in DTYPE_BYTES:
            raise ValueError(f"kv_dtype must be one of {', '.join(DTYPE_BYTES)}, got {self.kv_dtype!r}")

    @property
    def chunk_size(self) -> int:
        """Tokens per chunk."""
        return self.kv_shape[2]

    @property
    def chunk_bytes(self) -> int:
        """Bytes per chunk, over all layers."""
        return math.prod(self.kv_shape) * DTYPE_BYTES[self.kv_dtype]

    @property
    def use_mla(self) -> bool:
        """Whether keys and values are one latent vector (multi-head latent attention)."""
        return self.kv_shape[1] == 1

    def is_first_rank(self) -> bool:
        """Return whether this is the first worker of the model."""
        return self.worker_id == self.first_rank


def example_kv_shape(chunk_size: int, max_chunk_bytes: int | None = None) -> KVShape:
    """Return the default shape: a small model with multi-head latent attention, 30 KB per token.

    Args:
        chunk_size: tokens per chunk.
        max_chunk_bytes: largest size of a chunk in bytes; the head size is reduced to fit, but not below 1.
    """
    layers, head_size = 27, 576
    if max_chunk_bytes is not None:
        head_size = max(1, min(head_size, max_chunk_bytes // (layers * chunk_size * DTYPE_BYTES["float16"])))
    return (layers, 1, chunk_size, 1, head_size)
