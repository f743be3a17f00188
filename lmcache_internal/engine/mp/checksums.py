"""MD5 checksums over blocks of a KV cache, as LMCache's MP server defines them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence

from ...errors import BadRequest
from .runtime import BlockLayer


def checked_blocks(block_ids: Sequence[int], layers: Sequence[BlockLayer]) -> None:
    """Raise `BadRequest` (400) for a block that a layer does not have, or for more blocks than there are."""
    most = min(layer.num_blocks for layer in layers)
    if len(block_ids) > most:
        raise BadRequest(
            f"block_ids: at most {most}, as there are blocks; got {len(block_ids)}", title="Too many blocks"
        )
    bad = [block for block in block_ids if not 0 <= block < most]
    if bad:
        named = ", ".join(map(str, bad[:10]))
        raise BadRequest(f"block_ids: expected 0 to {most - 1}, got {named}", title="Invalid block_ids")


def over_all_layers(layers: Sequence[BlockLayer], block_ids: Sequence[int], chunk_size: int) -> list[str]:
    """Return one checksum for each chunk: over its bytes in the first layer, then in the second, and so on."""
    chunks = zip(*(layer.chunks(block_ids, chunk_size) for layer in layers), strict=True)
    return [_md5(pieces) for pieces in chunks]


def by_layer(layers: Sequence[BlockLayer], block_ids: Sequence[int], chunk_size: int) -> dict[str, list[str]]:
    """Return the checksums of each layer, one for each chunk."""
    return {
        f"layer_{number}": [_md5([piece]) for piece in layer.chunks(block_ids, chunk_size)]
        for number, layer in enumerate(layers)
    }


def ranges(numbers: Sequence[int]) -> Iterator[int | list[int]]:
    """Yield runs of three and more consecutive numbers as [first, last], and the others one by one."""
    for _, run in itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        if len(members) >= 3:
            yield [members[0], members[-1]]
        else:
            yield from members


def _md5(pieces: Sequence[bytes]) -> str:
    digest = hashlib.md5()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
