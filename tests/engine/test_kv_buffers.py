"""KV buffers: tensor shapes, and reads that return the written bytes."""

from __future__ import annotations

from typing import Any

import pytest

from lmcache_internal import EmbeddedMetadata
from lmcache_internal.engine.embedded.kv_buffers import make_kv_buffers, read_slots, write_slots
from tests.support import CHUNK, SHAPE

METADATA = EmbeddedMetadata("m", SHAPE)


@pytest.mark.parametrize(
    ("kv_shape", "shape"),
    [
        ((1, 2, 16, 4, 8), (2, 3, 16, 4, 8)),
        ((1, 1, 16, 1, 576), (3, 16, 576)),
        ((1, 1, 16, 2, 8), (1, 3, 16, 2, 8)),
    ],
)
def test_shape_is_that_of_a_paged_tensor(kv_shape: tuple[int, int, int, int, int], shape: tuple[int, ...]) -> None:
    (buffer,) = make_kv_buffers(EmbeddedMetadata("m", kv_shape), num_blocks=3).values()
    assert (buffer.shape, buffer.num_slots, buffer.device) == (shape, 48, "cpu")


@pytest.mark.parametrize(("dtype", "size"), [("uint8", 1), ("bfloat16", 2), ("float32", 4)])
def test_a_slot_has_the_size_of_its_elements(dtype: str, size: int) -> None:
    buffers = make_kv_buffers(EmbeddedMetadata("m", (3, 2, 16, 4, 8), kv_dtype=dtype))
    assert buffers["model.layers.2"].dtype == f"torch.{dtype}"
    assert len(read_slots(buffers, 5, 1)) == 3 * 2 * 4 * 8 * size
    assert buffers["model.layers.0"].nbytes(7) == len(buffers["model.layers.0"].read(1, 7))


def test_content_differs_per_slot_and_is_equal_at_each_start() -> None:
    one, other = make_kv_buffers(METADATA), make_kv_buffers(METADATA)
    slots = [buffer.read(slot, 1) for buffer in one.values() for slot in range(buffer.num_slots)]
    assert len(set(slots)) == len(slots) == 2 * 8 * CHUNK
    assert read_slots(one, 0, 8 * CHUNK) == read_slots(other, 0, 8 * CHUNK)


def test_write_changes_only_the_given_slots() -> None:
    buffers, untouched = make_kv_buffers(METADATA), make_kv_buffers(METADATA)
    chunk = read_slots(buffers, 5 * CHUNK, CHUNK)
    write_slots(buffers, CHUNK, CHUNK, chunk)
    assert read_slots(buffers, CHUNK, CHUNK) == chunk
    for slot, count in ((0, CHUNK), (2 * CHUNK, 6 * CHUNK)):
        assert read_slots(buffers, slot, count) == read_slots(untouched, slot, count)


def test_read_returns_a_copy() -> None:
    buffers = make_kv_buffers(METADATA)
    before = read_slots(buffers, 0, CHUNK)
    write_slots(buffers, 0, CHUNK, bytes(len(before)))
    assert read_slots(buffers, 0, CHUNK) == bytes(len(before)) != before


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kv_shape": (1, 3, 16, 1, 1)}, "kv_shape"),
        ({"kv_shape": (1, 2, 0, 1, 1)}, "kv_shape"),
        ({"kv_shape": (1, 2, 16)}, "kv_shape"),
        ({"kv_shape": SHAPE, "kv_dtype": "float17"}, "kv_dtype must be one of .*'float17'"),
    ],
)
def test_invalid_metadata_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmbeddedMetadata("m", **values)
