from __future__ import annotations

import hashlib
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.mp_support import CHUNKS, INSTANCE, MODEL

BODY = {"block_ids": [0, 1, 2, 5], "chunk_size": 3, "instance_id": INSTANCE}


@pytest.mark.parametrize("kwargs", [{}, {"json": {}}, {"json": {"tier": "l1"}}, {"json": {"force": False}}])
def test_clear_drops_l1_and_keeps_l2(mp: EmbeddedMPManager, mp_client: FlaskClient, kwargs: Any) -> None:
    response = mp_client.post("/cache/clear", **kwargs)
    assert response.json == {"status": "ok", "cleared": {"tier": "l1"}}
    ((_, adapter),) = mp.engine.storage_manager.l2_adapters()
    assert (len(mp.engine.storage_manager.l1), len(adapter)) == (0, CHUNKS)


def test_clear_keeps_what_is_in_use_but_not_by_force(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    mp.engine.storage_manager.l1.lock(mp.engine.keys_of(MODEL, 1, range(16))[0])
    mp_client.post("/cache/clear")
    assert len(mp.engine.storage_manager.l1) == 1
    mp_client.post("/cache/clear", json={"force": True})
    assert len(mp.engine.storage_manager.l1) == 0


@pytest.mark.parametrize("tier", ["l2", "all", "l3"])
def test_no_other_tier_can_be_cleared(mp: EmbeddedMPManager, mp_client: FlaskClient, tier: str) -> None:
    assert mp_client.post("/cache/clear", json={"tier": tier}).status_code == 400
    assert len(mp.engine.storage_manager.l1) == CHUNKS


def test_checksums_are_those_of_the_blocks(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    layers = mp.engine.workers[INSTANCE].layers
    chunks = [[0, 1, 2], [5]]
    pieces = [[b"".join(map(layer.read, chunk)) for chunk in chunks] for layer in layers]
    whole = [hashlib.md5(b"".join(layer[number] for layer in pieces)).hexdigest() for number in range(2)]
    assert mp_client.post("/cache/checksums", json=BODY).json == {
        "status": "success",
        "chunk_size": 3,
        "num_chunks": 2,
        "chunk_checksums": whole,
        "layerwise": False,
        "block_id_ranges": [[0, 2], 5],
    }
    layerwise = mp_client.post("/cache/checksums", json={**BODY, "layerwise": True}).json
    assert layerwise is not None
    assert layerwise["chunk_checksums"] == {
        f"layer_{number}": [hashlib.md5(piece).hexdigest() for piece in layer] for number, layer in enumerate(pieces)
    }


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"block_ids": []}, 400, "block_ids"),
        ({"chunk_size": 0}, 400, "chunk_size"),
        ({"chunk_size": -1}, 400, "chunk_size"),
        ({"block_ids": [99999]}, 400, "expected 0 to 7, got 99999"),
        ({"block_ids": [-1]}, 400, "-1"),
        ({"block_ids": [0] * 9}, 400, "at most 8"),
        ({"block_ids": ["x"]}, 400, "block_ids"),
        ({"instance_id": 7}, 404, "instance_id 7"),
    ],
)
def test_bad_blocks_are_named(mp_client: FlaskClient, change: dict[str, Any], status: int, said: str) -> None:
    response = mp_client.post("/cache/checksums", json={**BODY, **change})
    assert response.status_code == status
    assert said in response.text
