"""Find the entries of a token in a layer's KV cache: which axes are blocks and tokens."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from msgspec import Struct

from ..redaction.log_lines import get_logger
from .lmcache_names import load

logger = get_logger(__name__)

_ROWS_AT_ONCE = 4096
"""Slots that are copied from the device at a time, because a checksum must not exhaust the memory of the engine."""

# LMCache's names: NB blocks, BS tokens of a block, NH heads, HS head size, CS keys and values of a head,
# TWO keys and values. If several orders match the known facts equally well, the first one is used: vLLM's shapes have
# heads after tokens if keys and values have an axis, and before tokens in newer versions, whatever the memory order.
_ORDERS: dict[int, tuple[str, ...]] = {
    3: ("NB BS HS",),
    4: ("NB NH BS CS", "NB BS NH CS"),
    5: ("TWO NB BS NH HS", "TWO NB NH BS HS", "NB TWO BS NH HS", "NB TWO NH BS HS"),
}
_FIRST = {"TWO": 0, "NB": 1, "BS": 2}


class Known(Struct, frozen=True):
    """Facts about a model's KV cache besides its tensors.

    Attributes:
        block_size: tokens per block; None if the inference engine does not provide it.
        heads: KV heads of this rank; None if the metadata does not provide it.
        hints: layout hints of the inference engine for LMCache's GPU connector.
    """

    block_size: int | None = None
    heads: int | None = None
    hints: tuple[tuple[str, str | int], ...] = ()


def known_of(manager: Any) -> Known:
    """Return what an LMCache manager and its vLLM know of the KV cache."""
    kv_shape = getattr(getattr(manager, "lmcache_engine_metadata", None), "kv_shape", None)
    connector = getattr(getattr(manager, "lmcache_engine", None), "gpu_connector", None)
    hints = getattr(connector, "layout_hints", None)
    return Known(
        block_size=_block_size(manager),
        heads=kv_shape[3] if isinstance(kv_shape, tuple) and len(kv_shape) == 5 else None,
        hints=tuple(sorted(hints.items())) if isinstance(hints, dict) else (),
    )


def _block_size(manager: Any) -> int | None:
    try:
        found = manager.get_inference_info()["cache_config"]["block_size"]
    except Exception as error:  # No vLLM, or another version: the layout may be found from the tensors alone.
        logger.debug("The inference engine does not provide its block size: %r", error)
        return None
    return found if isinstance(found, int) and found > 0 else None


class TensorLayer:
    """One layer's KV cache, addressed by token slot.

    Args:
        planes: tensors of shape [blocks, tokens of a block, …]: keys and values, or both in one.
    """

    def __init__(self, planes: Sequence[torch.Tensor]) -> None:
        self._planes = planes
        blocks, self._block_size = planes[0].shape[:2]
        self.num_slots = blocks * self._block_size

    def rows(self, slots: Sequence[int]) -> Iterator[bytes]:
        """Return the bytes of `slots` in pieces: keys in the order of `slots`, then values."""
        index = torch.tensor(slots, dtype=torch.long, device=self._planes[0].device)
        blocks, offsets = index // self._block_size, index % self._block_size
        for plane in self._planes:
            for start in range(0, len(slots), _ROWS_AT_ONCE):
                piece = slice(start, start + _ROWS_AT_ONCE)
                yield _bytes(plane[blocks[piece], offsets[piece]])


def layer_of(cache: Any, known: Known) -> TensorLayer | None:
    """Return one layer of a model, addressed by token slot.

    Args:
        cache: a tensor, or a pair of tensors of the same shape: keys and values.
        known: other facts about the KV cache.

    Returns:
        None if the layer has no token slots (such as a Mamba layer), or its layout is unknown.
    """
    if not isinstance(cache, (list, tuple)):
        planes = _planes(cache, known)
    elif len(cache) == 2 and len({getattr(half, "shape", None) for half in cache}) == 1:
        planes = [plane for half in cache for plane in _planes(half, known)]
    else:
        planes = []
    return TensorLayer(planes) if planes else None


def _planes(cache: Any, known: Known) -> list[torch.Tensor]:
    if not isinstance(cache, torch.Tensor):
        return []
    if known.hints or cache.ndim not in _ORDERS:
        found = _found_by_lmcache(cache.dtype, cache.shape, cache.stride(), known.hints)
        if found is not None:
            order, shape, stride = found
            return _split(cache.as_strided(shape, stride), order)
    return _split(cache, _best_order(cache.shape, known))


def _split(cache: torch.Tensor, order: Sequence[str]) -> list[torch.Tensor]:
    if not order:
        return []
    # A view, because a copy of a layer would not fit into the device memory beside the engine.
    view = cache.permute(sorted(range(cache.ndim), key=lambda axis: _FIRST.get(order[axis], len(_FIRST))))
    return list(view) if "TWO" in order else [view]


def _best_order(shape: Sequence[int], known: Known) -> list[str]:
    """Return the order of axes that matches the known facts best; empty if no order is possible."""

    def size(order: Sequence[str], axis: str) -> int | None:
        return shape[order.index(axis)] if axis in order else None

    def possible(order: Sequence[str]) -> bool:
        tokens, block_size = size(order, "BS") or 1, known.block_size or 1
        # Kernels may split a block; other kinds of layers may have larger blocks.
        divided = block_size % tokens == 0 or tokens % block_size == 0
        return size(order, "TWO") in (2, None) and (known.block_size is None or divided)

    def agreement(order: Sequence[str]) -> tuple[bool, bool]:
        return size(order, "BS") == known.block_size, size(order, "NH") == known.heads

    orders = [text.split() for text in _ORDERS.get(len(shape), ())]
    return max(filter(possible, orders), key=agreement, default=[])


@functools.lru_cache(maxsize=64)  # LMCache logs its result at each call.
def _found_by_lmcache(
    dtype: torch.dtype, shape: torch.Size, stride: tuple[int, ...], hints: tuple[tuple[str, str | int], ...]
) -> tuple[list[str], torch.Size, tuple[int, ...]] | None:
    """Return LMCache's view of such a tensor: the axes in memory order, with their sizes and strides."""
    try:
        probe = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        discover = load("normalize_kv_and_discover_format")
        found, [normal] = discover([probe], load("EngineType").VLLM, layout_hints=dict(hints))
    except Exception as error:  # Missing in 0.3, no GPU libraries, or a rejected shape: use the sizes instead.
        logger.debug("LMCache does not know the KV layout %s: %s", list(shape), error)
        return None
    order = found.name.removeprefix("NL_X_").split("_")
    is_complete = len(order) == normal.ndim and {"NB", "BS"} <= set(order)
    return (order, normal.shape, normal.stride()) if is_complete else None


def _bytes(rows: torch.Tensor) -> bytes:
    """Return the elements as bytes; bfloat16 as float32, as LMCache's checksums use it."""
    host = rows.detach().cpu()
    if host.dtype == torch.bfloat16:
        host = host.float()
    # Through uint8, because numpy does not support every element type (float8).
    return bytes(host.contiguous().flatten().view(torch.uint8).numpy())
