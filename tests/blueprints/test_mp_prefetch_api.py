from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.mp_support import CHUNKS, MODEL, TOKENS

BODY = {"model_name": MODEL, "world_size": 1, "token_ids": TOKENS}


def test_prefetch_loads_from_l2_and_is_reported_once(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    assert mp_client.post("/cache/clear").status_code == 200
    assert len(mp.engine.storage_manager.l1) == 0
    response = mp_client.post("/cache/prefetches", json=BODY)
    assert response.status_code == 202
    assert response.json is not None
    assert (response.json["chunks"], response.json["status"]) == (CHUNKS, "submitted")
    assert len(mp.engine.storage_manager.l1) == CHUNKS
    path = f"/cache/prefetches/{response.json['request_id']}"
    assert mp_client.get(path).json == {
        "request_id": response.json["request_id"],
        "status": "completed",
        "found_keys": CHUNKS,
        "total_keys": CHUNKS,
    }
    assert mp_client.get(path).status_code == 404


def test_tokens_without_a_whole_chunk_are_a_noop(mp_client: FlaskClient) -> None:
    response = mp_client.post("/cache/prefetches", json={**BODY, "token_ids": [1, 2]})
    assert (response.status_code, response.json) == (202, {"chunks": 0, "status": "noop"})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"model_name": "other"}, 503),
        ({"world_size": 2}, 503),
        ({"source_tier": "l1"}, 400),
        ({"target_tier": "l2"}, 400),
        ({"token_ids": "x"}, 400),
        ({"token_ids": [2**64]}, 400),
        ({"cache_salt": "a@b"}, 400),
        ({"world_size": "many"}, 400),
    ],
)
def test_what_cannot_be_prefetched(mp_client: FlaskClient, change: dict[str, Any], status: int) -> None:
    response = mp_client.post("/cache/prefetches", json={**BODY, **change})
    assert response.status_code == status
    assert response.json is not None
    assert response.json["detail"] == response.json["message"]


def test_the_document_says_202(mp_client: FlaskClient) -> None:
    responses = mp_client.get("/openapi.json").json["paths"]["/cache/prefetches"]["post"]["responses"]  # type: ignore[index]
    assert "202" in responses
    assert "200" not in responses
