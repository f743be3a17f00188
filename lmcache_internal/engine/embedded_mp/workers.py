"""The workers that have registered with a server, with the KV cache of each."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


class BlockBuffer:
    """The KV cache of one layer in host memory.

    Args:
        num_blocks: blocks.
        block_bytes: bytes of a block.
        seed: the content differs by it, and is the same at each start.
    """

    def __init__(self, num_blocks: int, block_bytes: int, seed: int) -> None:
        self.num_blocks = num_blocks
        self._block_bytes = block_bytes
        self._content = random.Random(seed).randbytes(num_blocks * block_bytes)

    def read(self, block: int) -> bytes:
        """Return the bytes of a block."""
        return self._content[block * self._block_bytes : (block + 1) * self._block_bytes]

    def chunks(self, block_ids: Sequence[int], chunk_size: int) -> Iterator[bytes]:
        """Yield the bytes of the blocks, `chunk_size` blocks in each piece."""
        for start in range(0, len(block_ids), chunk_size):
            yield b"".join(map(self.read, block_ids[start : start + chunk_size]))


class Worker:
    """A worker of an inference engine, one rank of one model.

    Args:
        model_name: the model.
        world_size: how many ranks it has.
        num_layers: layers of the KV cache.
        num_blocks: blocks of each layer; a block holds one chunk.
        block_bytes: bytes of a block in one layer.
    """

    def __init__(
        self,
        model_name: str,
        world_size: int = 1,
        num_layers: int = 2,
        num_blocks: int = 8,
        block_bytes: int = 64,
    ) -> None:
        self.model_name = model_name
        self.world_size = world_size
        self.layers = [BlockBuffer(num_blocks, block_bytes, seed=layer) for layer in range(num_layers)]

    def report_status(self) -> dict[str, object]:
        """Return the model and the layout."""
        layout = {"num_layers": len(self.layers), "num_blocks": self.layers[0].num_blocks}
        return {"model_name": self.model_name, "world_size": self.world_size, "kv_cache_layout": layout}
