"""The blocks of a worker's KV cache in LMCache's MP server. torch is imported when they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...errors import NotFound, NotSupported

_BLOCK_AXIS = {
    "NL_X_TWO_NB_BS_NH_HS": 1,
    "NL_X_NB_TWO_BS_NH_HS": 0,
    "NL_X_NB_BS_HS": 0,
    "NL_X_NB_BSV_BSS": 0,
    "NL_X_TWO_NB_NH_BS_HS": 1,
    "NL_X_NB_TWO_NH_BS_HS": 0,
}
"""The axis that counts blocks, by the layout's name in LMCache. Other layouts have none."""


class TensorLayer:
    """One layer's KV cache, a tensor with an axis that counts blocks."""

    def __init__(self, tensor: Any, axis: int) -> None:
        self._tensor = tensor
        self._axis = axis

    @property
    def num_blocks(self) -> int:
        """The number of blocks."""
        return int(self._tensor.shape[self._axis])

    def chunks(self, block_ids: Sequence[int], chunk_size: int) -> Iterator[bytes]:
        """Yield the bytes of the blocks, `chunk_size` blocks in each piece; bfloat16 as float32, as LMCache has it."""
        import torch

        index = torch.tensor(block_ids, dtype=torch.long, device=self._tensor.device)
        blocks = self._tensor.index_select(self._axis, index).cpu()
        if blocks.dtype == torch.bfloat16:
            blocks = blocks.to(torch.float32)
        for piece in blocks.split(chunk_size, dim=self._axis):
            yield piece.contiguous().numpy().tobytes()


def layers_of(context: Any) -> list[TensorLayer]:
    """Return the layers of a worker's cache context.

    Raises:
        NotFound: it has no KV cache (404).
        NotSupported: the layout of a layer has no axis that counts blocks (501).
    """
    tensors = context.kv_tensors
    if not tensors:
        raise NotFound("The worker has no KV cache", title="kv_caches empty")
    names = [None if layout is None else layout.name for layout in context.engine_kv_format_per_layer()]
    unknown = sorted({name for name in names if name is not None and name not in _BLOCK_AXIS})
    if unknown:
        raise NotSupported(f"The KV layout {', '.join(unknown)} has no blocks that can be read")
    axes = {_BLOCK_AXIS[name] for name in names if name is not None}
    # A layer that shares another layer's cache has no layout of its own.
    if None in names and len(set(names) - {None}) != 1:
        raise NotSupported("A layer shares its KV cache with another, and the layouts of the others differ")
    return [
        TensorLayer(tensor, next(iter(axes)) if name is None else _BLOCK_AXIS[name])
        for tensor, name in zip(tensors, names, strict=True)
    ]
