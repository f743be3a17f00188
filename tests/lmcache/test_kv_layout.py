"""GET /cache/kvcache/check and info on the KV layouts of inference engines, as tensors on CPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmcache_internal import create_app
from lmcache_internal.engine.kv_layout import Known, layer_of
from lmcache_internal.engine.lmcache_names import module_of
from tests.lmcache.kv_engine import Engine, Tensors
from tests.support import lmcache_release


def heads_first(*sizes: int) -> torch.Tensor:
    """Return […, tokens, heads, size] with the memory order […, heads, tokens, size], as vLLM's HND."""
    *rest, tokens, heads, size = sizes
    return torch.rand(*rest, heads, tokens, size).transpose(-2, -3)


def tokens_first(*sizes: int) -> torch.Tensor:
    """Return […, heads, tokens, size] with the memory order […, tokens, heads, size], as vLLM's NHD."""
    *rest, heads, tokens, size = sizes
    return torch.rand(*rest, tokens, heads, size).transpose(-2, -3)


Make = Callable[[int, int, int, int], Tensors]
"""Creates tensors from blocks, tokens per block, heads and head size."""
Where = Callable[[Tensors, int, int], list[torch.Tensor]]
"""Returns views of the elements of a token, by block and offset in the block."""

LAYOUTS: dict[str, tuple[Make, Where]] = {
    "[blocks, heads, tokens, 2 size]": (
        lambda b, t, h, s: torch.rand(b, h, t, 2 * s),
        lambda x, b, t: [x[b, :, t]],
    ),
    "[blocks, heads, tokens, 2 size], tokens first in memory": (
        lambda b, t, h, s: tokens_first(b, h, t, 2 * s),
        lambda x, b, t: [x[b, :, t]],
    ),
    "[blocks, tokens, heads, 2 size]": (
        lambda b, t, h, s: torch.rand(b, t, h, 2 * s),
        lambda x, b, t: [x[b, t]],
    ),
    "[2, blocks, tokens, heads, size]": (
        lambda b, t, h, s: torch.rand(2, b, t, h, s),
        lambda x, b, t: [x[:, b, t]],
    ),
    "[2, blocks, tokens, heads, size], heads first in memory": (
        lambda b, t, h, s: heads_first(2, b, t, h, s),
        lambda x, b, t: [x[:, b, t]],
    ),
    "[2, blocks, heads, tokens, size]": (
        lambda b, t, h, s: torch.rand(2, b, h, t, s),
        lambda x, b, t: [x[:, b, :, t]],
    ),
    "[blocks, 2, tokens, heads, size]": (
        lambda b, t, h, s: torch.rand(b, 2, t, h, s),
        lambda x, b, t: [x[b, :, t]],
    ),
    "[blocks, 2, heads, tokens, size]": (
        lambda b, t, h, s: torch.rand(b, 2, h, t, s),
        lambda x, b, t: [x[b, :, :, t]],
    ),
    "[blocks, tokens, size]": (
        lambda b, t, _h, s: torch.rand(b, t, s),
        lambda x, b, t: [x[b, t]],
    ),
    "keys and values, each [blocks, tokens, heads, size]": (
        lambda b, t, h, s: (torch.rand(b, t, h, s), torch.rand(b, t, h, s)),
        lambda x, b, t: [part[b, t] for part in x],
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@settings(max_examples=15, deadline=None)
@given(
    blocks=st.integers(3, 6),
    block_size=st.sampled_from([8, 16, 128]),
    heads=st.integers(1, 7),
    size=st.integers(1, 9),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.uint8]),
    data=st.data(),
)
def test_a_checksum_covers_all_of_its_token_and_nothing_else(
    engine: Engine,
    layout: str,
    blocks: int,
    block_size: int,
    heads: int,
    size: int,
    dtype: torch.dtype,
    data: st.DataObject,
) -> None:
    make, where = LAYOUTS[layout]
    made = make(blocks, block_size, heads, size)
    cache = tuple(part.to(dtype) for part in made) if isinstance(made, tuple) else made.to(dtype)
    engine.set_caches({"model.layers.0": cache}, block_size)
    last = blocks * block_size - 1
    before = engine.checksums(f"[0,{last}]")["model.layers.0"]

    slot = data.draw(st.integers(0, last))
    elements = where(cache, slot // block_size, slot % block_size)
    for element in elements:
        index = tuple(data.draw(st.integers(0, length - 1)) for length in element.shape)
        kept = element[index].clone()
        element[index] = 7
        after = engine.checksums(f"[0,{last}]")["model.layers.0"]
        assert [number for number in range(last + 1) if before[number] != after[number]] == [slot]
        element[index] = kept
    assert engine.checksums(f"[0,{last}]")["model.layers.0"] == before


def test_ambiguous_heads_and_tokens_are_read_in_vllms_order(engine: Engine) -> None:
    fused, split = torch.rand(3, 16, 16, 8), torch.rand(2, 3, 16, 16, 4)
    engine.set_caches({"fused": fused, "split": split}, 16)
    before = engine.checksums("[0,47]")
    fused[1, :, 2] = 0
    split[:, 1, 2] = 0
    after = engine.checksums("[0,47]")
    for name in ("fused", "split"):
        assert [slot for slot in range(48) if before[name][slot] != after[name][slot]] == [18]


def test_the_same_tokens_have_the_same_checksums_in_all_layouts(engine: Engine) -> None:
    cache = torch.rand(2, 5, 16, 3, 8)
    engine.set_caches(
        {
            "a": cache,
            "b": cache.transpose(0, 1).contiguous(),
            "c": cache.transpose(2, 3).contiguous(),
            "d": (cache[0], cache[1]),
        },
        16,
    )
    found = list(engine.checksums("5,3,[20,30],79", chunk_size=4).values())
    assert found == [found[0]] * 4
    assert len(set(found[0])) == 4


@pytest.mark.skipif(lmcache_release() < (0, 5), reason="LMCache 0.3 has no hints, and 0.4 ignores them on CPU")
def test_layout_hints_take_precedence_over_sizes(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a hybrid model, the block size of one layer may equal the number of heads of another."""
    hints = {"kv_layout": "HND"}
    monkeypatch.setattr(engine.manager.lmcache_engine.gpu_connector, "layout_hints", hints, raising=False)
    cache = torch.rand(3, 16, 32, 8)
    engine.set_caches({"layer": cache}, 16)
    before = engine.checksums("[0,95]")["layer"]
    cache[2, :, 31] = 0
    after = engine.checksums("[0,95]")["layer"]
    assert [slot for slot in range(96) if before[slot] != after[slot]] == [95]


def lmcaches_own(caches: dict[str, torch.Tensor], slots: list[int], chunk_size: int, layerwise: bool) -> Any:
    package = module_of("InternalAPIServer").rpartition(".")[0]
    module = importlib.import_module(f"{package}.vllm.cache_api")
    adapter = type("Adapter", (), {"kv_caches": caches})
    return module.compute_kvcache_checksums(adapter, slots, chunk_size, layerwise)["chunk_checksums"]


@pytest.mark.parametrize("layerwise", [True, False])
@pytest.mark.parametrize(
    "caches",
    [
        {"split": torch.rand(2, 4, 16, 3, 8, dtype=torch.float16)},
        {"latent": torch.rand(4, 16, 24).bfloat16()},
        {"fused": torch.rand(4, 16, 3, 8)},
        {"b": torch.rand(2, 4, 16, 3, 8), "a": torch.rand(4, 16, 24), "c": torch.rand(2, 6, 16, 5, 4)},
        {"long": torch.rand(2, 4, 16, 3, 8), "short": torch.rand(2, 3, 16, 3, 8)},
        {"long": torch.rand(4, 16, 24), "short": torch.rand(1, 16, 24), "other": torch.rand(2, 4, 16, 3, 8)},
    ],
    ids=lambda caches: ",".join(caches),
)
def test_checksums_equal_lmcaches_for_layouts_that_it_reads_correctly(
    engine: Engine, caches: dict[str, torch.Tensor], layerwise: bool
) -> None:
    engine.set_caches(caches, 16)
    body = engine.get(f"check?slot_mapping=[0,19],63,7&chunk_size=8&layerwise={layerwise}")
    assert body["chunk_checksums"] == lmcaches_own(caches, [*range(20), 63, 7], 8, layerwise)


@pytest.mark.parametrize(
    ("cache", "shape"),
    [
        (torch.rand(48, 8), "[48, 8]"),
        (torch.rand(3, 5, 16, 3, 8), "[3, 5, 16, 3, 8]"),
        (torch.rand(4, 5, 7, 8), "[4, 5, 7, 8]"),
        (torch.rand(2, 1, 2, 3, 1, 2, 2), "[2, 1, 2, 3, 1, 2, 2]"),
        ([torch.rand(5, 3, 64), torch.rand(5, 8)], "[5, 3, 64], [5, 8]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unknown_layout_is_a_501_with_the_shape(engine: Engine, cache: Tensors, shape: str) -> None:
    engine.set_caches({"model.layers.0": cache}, 16)
    body = engine.get("check?slot_mapping=0&chunk_size=1", status=501)
    assert f"layer model.layers.0 has shape {shape}," in body["message"]


@pytest.mark.parametrize("info", [None, {}, {"cache_config": None}, {"cache_config": {"block_size": "16"}}])
def test_an_engine_without_block_size_has_checksums(engine: Engine, info: Any) -> None:
    engine.set_caches({"layer": torch.rand(2, 4, 16, 4, 8)}, None)
    engine.manager._connector.get_inference_info = lambda: info
    assert engine.get("check?slot_mapping=63&chunk_size=1")["num_chunks"] == 1


@pytest.mark.usefixtures("engine")  # LMCache is loaded.
def test_a_manager_of_another_class_has_checksums() -> None:
    """Without more information, the layers are read in vLLM's order."""
    manager = SimpleNamespace(config=SimpleNamespace(extra_config=None), kv_caches={"layer": torch.rand(4, 4, 8, 64)})
    response = create_app(manager).test_client().get("/cache/kvcache/check?slot_mapping=0,31&chunk_size=1")
    assert response.status_code == 200, response.text
    assert response.get_json()["num_chunks"] == 2


def test_a_checksum_copies_no_layer() -> None:
    """The heads of this layer are not contiguous in memory, so flattening it would copy it."""
    cache = heads_first(2, 5, 16, 3, 8)
    layer = layer_of(cache, Known(block_size=16))
    assert layer is not None
    assert {plane.untyped_storage().data_ptr() for plane in layer._planes} == {cache.untyped_storage().data_ptr()}


def test_many_slots_are_read_in_pieces() -> None:
    layer = layer_of(torch.rand(2, 64, 128, 2, 4), Known(block_size=128))
    assert layer is not None
    pieces = list(layer.rows(range(8192)))
    assert [len(piece) for piece in pieces] == [4096 * 2 * 4 * 4] * 4
