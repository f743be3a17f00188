from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.mp_support import CHUNKS, INSTANCE, TOKENS


@pytest.mark.parametrize("salt", ["alice", "_default"])
def test_a_quota_is_set_shown_and_removed(mp_client: FlaskClient, salt: str) -> None:
    path = f"/quota/{salt}"
    assert mp_client.get(path).json["exists"] is False  # type: ignore[index]
    assert mp_client.put(path, json={"limit_gb": 0.5}).json == {"cache_salt": salt, "limit_gb": 0.5, "status": "ok"}
    shown = mp_client.get(path).json
    assert shown is not None
    assert (shown["cache_salt"], shown["limit_gb"], shown["exists"]) == (salt, 0.5, True)
    assert mp_client.get("/quota").json["users"].keys() == {salt}  # type: ignore[index]
    assert mp_client.delete(path).json == {"cache_salt": salt, "status": "removed"}
    again = mp_client.delete(path)
    assert (again.status_code, again.json) == (200, {"cache_salt": salt, "status": "not_found"})


def test_usage_is_that_of_the_salt(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    mp.engine.store(INSTANCE, TOKENS[:16], cache_salt="alice")
    used = {salt: mp_client.get(f"/quota/{salt}").json["current_usage_gb"] * 2**30 for salt in ("alice", "_default")}  # type: ignore[index]
    assert used == {"alice": 128, "_default": CHUNKS * 128}


def test_what_is_above_a_quota_is_evicted(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    mp.engine.store(INSTANCE, TOKENS, cache_salt="alice")
    mp_client.put("/quota/alice", json={"limit_gb": 2 * 128 / 2**30})
    assert mp.engine.storage_manager.enforce_quotas() in ("evicted=2", "evicted=0")  # 0: its own thread was first.
    assert mp.engine.storage_manager.get_usage_bytes_by_cache_salt() == {"alice": 256, "": CHUNKS * 128}


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"data": "x"},
        {"json": []},
        {"json": {}},
        {"json": {"limit_gb": "x"}},
        {"json": {"limit_gb": None}},
        {"json": {"limit_gb": -1}},
        {"json": {"limit_gb": 1e300}},
        {"data": '{"limit_gb": NaN}'},
        {"data": '{"limit_gb": Infinity}'},
    ],
)
def test_a_bad_limit_is_refused(mp: EmbeddedMPManager, mp_client: FlaskClient, kwargs: Any) -> None:
    response = mp_client.put("/quota/alice", **kwargs)
    assert response.status_code == 400
    assert response.json is not None
    assert "detail" in response.json
    assert mp.engine.storage_manager.quota_manager.list_quotas() == []
