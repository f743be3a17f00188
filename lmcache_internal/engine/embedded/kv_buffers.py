"""KV buffers in host memory, one per layer, in place of a GPU's paged KV cache."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from .metadata import DTYPE_BYTES, EmbeddedMetadata

NUM_BLOCKS = 8
"""Chunks per worker in the KV buffers."""


class KVBuffer:
    """One layer's paged KV cache in host memory, with the attributes of a tensor.

    Attributes:
        shape: (2, blocks, block size, heads, head size), or (blocks, block size, head size)
            for multi-head latent attention; a block holds one chunk.
        dtype: element type, as torch prints it.
        device: always "cpu".
    """

    device = "cpu"

    def __init__(self, metadata: EmbeddedMetadata, num_blocks: int, seed: int) -> None:
        _, planes, block_size, heads, head_size = metadata.kv_shape
        latent = metadata.use_mla and heads == 1
        self.shape = (
            (num_blocks, block_size, head_size) if latent else (planes, num_blocks, block_size, heads, head_size)
        )
        self.dtype = f"torch.{metadata.kv_dtype}"
        self.num_slots = num_blocks * block_size
        self._row = heads * head_size * DTYPE_BYTES[metadata.kv_dtype]
        # Different in each slot and equal at each start, so that checksums can be compared.
        noise = random.Random(seed)
        self._planes = [bytearray(noise.randbytes(self.num_slots * self._row)) for _ in range(planes)]

    def nbytes(self, num_slots: int) -> int:
        """Return the size in bytes of `num_slots` slots in this layer."""
        return len(self._planes) * num_slots * self._row

    def read(self, slot: int, count: int) -> bytes:
        """Return the bytes of `count` consecutive slots: keys, then values."""
        return b"".join(plane[slot * self._row : (slot + count) * self._row] for plane in self._planes)

    def rows(self, slots: Sequence[int]) -> Iterator[bytes]:
        """Return the bytes of any slots in the given order: keys, then values."""
        row = self._row
        for plane in self._planes:
            yield b"".join(plane[slot * row : (slot + 1) * row] for slot in slots)

    def write(self, slot: int, count: int, data: memoryview) -> None:
        """Write bytes that `read` returned to `count` consecutive slots."""
        width = count * self._row
        for number, plane in enumerate(self._planes):
            plane[slot * self._row : slot * self._row + width] = data[number * width : (number + 1) * width]


def make_kv_buffers(metadata: EmbeddedMetadata, num_blocks: int = NUM_BLOCKS) -> dict[str, KVBuffer]:
    """Return one buffer per layer with room for `num_blocks` chunks, with vLLM's layer names."""
    layers = range(metadata.kv_shape[0])
    return {f"model.layers.{layer}": KVBuffer(metadata, num_blocks, seed=layer) for layer in layers}


def read_slots(buffers: Mapping[str, KVBuffer], slot: int, count: int) -> bytes:
    """Return the bytes of `count` consecutive slots of all layers, in layer order."""
    return b"".join(buffer.read(slot, count) for buffer in buffers.values())


def write_slots(buffers: Mapping[str, KVBuffer], slot: int, count: int, data: bytes) -> None:
    """Write bytes that `read_slots` returned."""
    view = memoryview(data)
    for buffer in buffers.values():
        size = buffer.nbytes(count)
        buffer.write(slot, count, view[:size])
        view = view[size:]
