"""The KV connector itself; imports LMCache and torch."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import torch
from lmcache.utils import EngineType
from lmcache.v1.gpu_connector.gpu_connectors import GPUConnectorInterface


class CPUConnector(GPUConnectorInterface):  # type: ignore[misc]  # LMCache has no types.
    """Copies complete blocks: vLLM's kernels mix the tokens of a block, so a chunk must consist of blocks.

    Args:
        metadata: LMCache's metadata with the kv_shape (layers, keys and values, chunk size, heads, head size).
    """

    def __init__(self, metadata: Any) -> None:
        layers, planes, _, heads, head_size = metadata.kv_shape
        self._layers, self._planes, self._width = layers, planes, heads * head_size
        self.kvcaches: list[torch.Tensor] | None = None

    def initialize_kvcaches_ptr(self, **named: Any) -> None:
        self.kvcaches = named.get("kvcaches", self.kvcaches)

    def get_shape(self, num_tokens: int) -> torch.Size:
        return torch.Size([self._planes, self._layers, num_tokens, self._width])

    def to_gpu(self, memory_obj: Any, start: int, end: int, **named: Any) -> None:
        for layer, chunk, blocks in self._copies(memory_obj, start, end, named):
            layer[blocks] = chunk

    def from_gpu(self, memory_obj: Any, start: int, end: int, **named: Any) -> None:
        for layer, chunk, blocks in self._copies(memory_obj, start, end, named):
            chunk.copy_(layer[blocks])

    def batched_to_gpu(
        self, memory_objs: Sequence[Any], starts: Sequence[int], ends: Sequence[int], **named: Any
    ) -> None:
        for chunk, start, end in zip(memory_objs, starts, ends, strict=True):
            self.to_gpu(chunk, start, end, **named)

    def batched_from_gpu(
        self, memory_objs: Sequence[Any], starts: Sequence[int], ends: Sequence[int], **named: Any
    ) -> None:
        for chunk, start, end in zip(memory_objs, starts, ends, strict=True):
            self.from_gpu(chunk, start, end, **named)

    def _copies(
        self, memory_obj: Any, start: int, end: int, named: dict[str, Any]
    ) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return for each layer its KV cache, its part of the chunk, and the numbers of the blocks to copy."""
        self.initialize_kvcaches_ptr(**named)
        assert self.kvcaches is not None
        block_size = self.kvcaches[0].shape[2]
        slots = named["slot_mapping"][start:end].to(torch.long).view(-1, block_size)
        assert bool((slots[:, 0] % block_size == 0).all()), "a chunk must consist of complete blocks"
        blocks = slots[:, 0] // block_size
        chunk = memory_obj.tensor.view(-1).view(self._layers, len(blocks), *self.kvcaches[0].shape[1:])
        return [(layer, part, blocks) for layer, part in zip(self.kvcaches, chunk, strict=True)]


def patch(home: ModuleType) -> None:
    """Make LMCache's factory return this connector for vLLM on CPU."""
    original = home.CreateGPUConnector

    def create(config: Any, metadata: Any, engine: Any, *arguments: Any, **named: Any) -> Any:
        if engine == EngineType.VLLM and home.torch_device_type == "cpu":
            return CPUConnector(metadata)
        return original(config, metadata, engine, *arguments, **named)

    home.CreateGPUConnector = create  # type: ignore[attr-defined]  # The patch replaces it.
