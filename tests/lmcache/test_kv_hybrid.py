"""GET /cache/kvcache/check and info on models with different layers."""

from __future__ import annotations

import torch

from tests.lmcache.kv_engine import Engine


def test_a_layer_without_the_slot_is_an_error_and_the_others_are_not(engine: Engine) -> None:
    engine.set_caches({"short": torch.rand(2, 3, 16, 3, 8), "long": torch.rand(4, 16, 24)}, 16)
    found = engine.checksums("0,47,48,63", chunk_size=2)
    assert found["short"] == ["error", "error"]
    assert all(len(checksum) == 32 for checksum in found["long"])
    assert "error" not in engine.checksums("0,47")["short"]


def test_layers_may_have_different_block_sizes(engine: Engine) -> None:
    caches = {
        "full": torch.rand(8, 4, 16, 8),
        "large": torch.rand(4, 4, 32, 8),
        "split": torch.rand(2, 16, 8, 4, 8),
    }
    engine.set_caches(caches, 16)
    before = engine.checksums("[0,127]")
    caches["full"][2, :, 1] = 0
    caches["large"][1, :, 1] = 0
    caches["split"][:, 4, 1] = 0
    after = engine.checksums("[0,127]")
    for name in caches:
        assert [slot for slot in range(128) if before[name][slot] != after[name][slot]] == [33], name


def test_the_states_of_a_mamba_layer_have_no_slots(engine: Engine) -> None:
    states = [torch.rand(5, 3, 64), torch.rand(5, 8, 16, 32)]
    attention = torch.rand(4, 3, 16, 8)
    engine.set_caches({"attention": attention, "mamba": states}, 16)
    found = engine.checksums("0,1")
    assert found["mamba"] == ["error", "error"]
    overall = engine.get("check?slot_mapping=0,1&chunk_size=1")["chunk_checksums"]
    engine.set_caches({"attention": attention}, 16)
    assert (
        engine.checksums("0,1")["attention"],
        engine.get("check?slot_mapping=0,1&chunk_size=1")["chunk_checksums"],
    ) == (
        found["attention"],
        overall,
    )


def test_info_shows_each_tensor_of_a_layer(engine: Engine) -> None:
    engine.set_caches({"attention": torch.rand(4, 3, 16, 8), "mamba": [torch.rand(5, 3, 64), torch.rand(5, 8)]}, 16)
    body = engine.get("info")
    assert body["num_layers"] == 2
    assert {name: layer["shape"] for name, layer in body["layers"].items()} == {
        "attention": [4, 3, 16, 8],
        "mamba[0]": [5, 3, 64],
        "mamba[1]": [5, 8],
    }


def test_slots_beyond_the_longest_layer_are_a_400(engine: Engine) -> None:
    engine.set_caches({"short": torch.rand(1, 16, 24), "long": torch.rand(4, 16, 24)}, 16)
    body = engine.get("check?slot_mapping=64&chunk_size=1", status=400)
    assert body["message"] == "Slot indices out of bounds: 64. Valid range: 0 to 63"
