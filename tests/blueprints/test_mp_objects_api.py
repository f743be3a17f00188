from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.mp_support import CHUNKS, MODEL, mp_manager

KEY = {"chunk_hash_hex": "ab", "model_name": "m", "kv_rank": 0}


def listed(client: FlaskClient, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(f"/cache/objects?{query}").json["entries"]  # type: ignore[index]
    return found


def test_pages_together_have_each_object_once(mp_client: FlaskClient) -> None:
    everything = listed(mp_client)
    assert len(everything) == CHUNKS
    assert {entry["size_bytes"] for entry in everything} == {128}
    found, token = [], None
    while True:
        page = mp_client.get("/cache/objects", query_string={"page_size": 3, "page_token": token or ""}).json
        assert page is not None
        found += page["entries"]
        token = page["next_page_token"]
        if token is None:
            break
    assert found == everything


def test_objects_can_be_listed_by_model(mp_client: FlaskClient) -> None:
    assert len(listed(mp_client, f"model_name={MODEL}")) == CHUNKS
    assert listed(mp_client, "model_name=other") == []


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("tier=l1", 400, "Invalid parameter"),
        ("tier=zz", 400, "Invalid parameter"),
        ("page_size=0", 400, "Invalid parameter"),
        ("page_size=5001", 400, "Invalid parameter"),
        ("page_token=zz", 400, "Invalid page_token"),
        ("adapter=nope", 404, "Unknown adapter"),
    ],
)
def test_what_cannot_be_listed(mp_client: FlaskClient, query: str, status: int, error: str) -> None:
    response = mp_client.get(f"/cache/objects?{query}")
    assert response.json is not None
    assert (response.status_code, response.json["error"]) == (status, error)
    assert response.json["detail"] == response.json["message"]


@pytest.mark.parametrize(("tier", "deleted", "in_l1", "in_l2"), [("l1", 4, 0, 4), ("l2", 4, 4, 0), ("all", 8, 0, 0)])
def test_objects_are_deleted_from_the_tier(
    mp: EmbeddedMPManager, mp_client: FlaskClient, tier: str, deleted: int, in_l1: int, in_l2: int
) -> None:
    keys = [entry["key"] for entry in listed(mp_client)]
    response = mp_client.delete("/cache/objects", json={"keys": keys, "tier": tier})
    assert response.json == {"deleted": deleted, "skipped": 0, "ok": True}
    assert (len(mp.engine.storage_manager.l1), len(listed(mp_client))) == (in_l1, in_l2)


def test_an_object_in_use_is_deleted_by_force_only(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    entry = listed(mp_client)[0]["key"]
    key = mp.engine.keys_of(MODEL, 1, range(64))
    used = next(each for each in key if each.chunk_hash.hex() == entry["chunk_hash_hex"])
    mp.engine.storage_manager.l1.lock(used)
    body = {"keys": [entry], "tier": "l1"}
    assert mp_client.delete("/cache/objects", json=body).json == {"deleted": 0, "skipped": 1, "ok": True}
    forced = mp_client.delete("/cache/objects", json={**body, "force": True})
    assert forced.json == {"deleted": 1, "skipped": 0, "ok": True}


def test_nothing_is_deleted_where_the_adapter_is_unknown(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    keys = [entry["key"] for entry in listed(mp_client)]
    response = mp_client.delete("/cache/objects", json={"keys": keys, "tier": "all", "adapter": "nope"})
    assert response.status_code == 404
    assert len(mp.engine.storage_manager.l1) == CHUNKS


def test_a_failure_of_l2_is_reported_in_the_body(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    def failing(_keys: object) -> None:
        raise OSError("redis://u:hunter2@host is gone")

    ((_, adapter),) = mp.engine.storage_manager.l2_adapters()
    adapter.delete = failing  # type: ignore[method-assign,assignment]
    response = mp_client.delete("/cache/objects", json={"keys": [KEY]})
    assert response.json is not None
    assert (response.status_code, response.json["ok"], response.json["deleted"]) == (200, False, 0)
    assert "is gone" in response.json["error"]
    assert "hunter2" not in response.json["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "keys"),
        ({"keys": [{**KEY, "chunk_hash_hex": "zz"}]}, "keys[0]"),
        ({"keys": [KEY, {**KEY, "model_name": "a@b"}]}, "keys[1]"),
        ({"keys": [{**KEY, "cache_salt": "a/b"}]}, "cache_salt"),
        ({"keys": [{**KEY, "object_group_id": -1}]}, "object_group_id"),
        ({"keys": [KEY], "tier": "l3"}, "tier"),
        ({"keys": [KEY] * 10_001}, "10000"),
    ],
)
def test_a_bad_body_is_a_400_that_names_it(mp_client: FlaskClient, body: dict[str, Any], said: str) -> None:
    response = mp_client.delete("/cache/objects", json=body)
    assert response.status_code == 400
    assert said in response.text


def test_without_l2_there_is_nothing_to_list() -> None:
    with mp_manager(None) as manager:
        client = create_app(manager).test_client()
        assert client.get("/cache/objects").status_code == 503
        assert client.delete("/cache/objects", json={"keys": [KEY]}).status_code == 503
        assert client.delete("/cache/objects", json={"keys": [KEY], "tier": "l1"}).status_code == 200


def test_an_adapter_that_cannot_list_is_a_503_that_names_it(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    def unable(**_: object) -> None:
        raise NotImplementedError("no listing")

    ((_, adapter),) = mp.engine.storage_manager.l2_adapters()
    adapter.list_l2_keys = unable  # type: ignore[method-assign,assignment]
    response = mp_client.get("/cache/objects")
    assert response.status_code == 503
    assert "'fs' does not support listing: no listing" in response.text
