"""Transactions on the real engine's configuration, with LMCache's own definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.engine.lmcache import _READ_BY_BACKENDS
from lmcache_internal.testing.real_engine import make_worker


@pytest.fixture(scope="module")
def manager() -> Iterator[Any]:
    made = make_worker("conf", remote_url=None)
    yield made
    made.stop_services()


@pytest.fixture
def client(manager: Any) -> Iterator[FlaskClient]:
    found = create_app(manager).test_client()
    yield found
    assert found.post("/conf/rollback?to=0").status_code == 200


def details(client: FlaskClient) -> Any:
    return client.get("/conf?details=true").get_json(force=True)


def test_change_history_and_rollback(client: FlaskClient, manager: Any) -> None:
    before = client.get("/conf")
    changed = client.post(
        "/conf?atomic=true",
        json={"remote_url": "redis://u:s3cret@h:1", "min_retrieve_tokens": "5", "extra_config": '{"password": "x1y2"}'},
        headers={"If-Match": before.headers["ETag"]},
    )
    assert changed.status_code == 200
    assert manager.config.remote_url == "redis://u:s3cret@h:1"
    assert client.post("/conf", json={}, headers={"If-Match": before.headers["ETag"]}).status_code == 412
    newest = client.get("/conf/history").get_json()["revisions"][-1]
    assert newest["changes"]["remote_url"] == {"old": None, "new": "redis://***@h:1"}
    assert newest["changes"]["extra_config"] == {"old": None, "new": {"password": "***"}}
    back = client.post("/conf/rollback?to=0")
    assert back.get_json()["updated"] == {"remote_url": None, "min_retrieve_tokens": 0, "extra_config": None}
    assert client.get("/conf").text == before.text
    assert back.headers["ETag"] == before.headers["ETag"]


def test_atomic_rejects_all(client: FlaskClient, manager: Any) -> None:
    response = client.post("/conf?atomic=true", json={"min_retrieve_tokens": 5, "remote_url": True})
    assert (response.status_code, response.get_json()["errors"].keys()) == (400, {"remote_url"})
    assert manager.config.min_retrieve_tokens == 0


def test_failing_config_is_restored(client: FlaskClient, manager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn(type(manager.config)):  # type: ignore[misc]  # LMCache creates its class at import.
        def __setattr__(self, name: str, value: Any) -> None:
            super().__setattr__(name, value)
            if (name, value) == ("pin_timeout_sec", 77):
                raise ValueError("not 77")

    monkeypatch.setattr(manager.config, "__class__", Stubborn)
    before = client.get("/conf").text
    response = client.post("/conf", json={"min_retrieve_tokens": 5, "pin_timeout_sec": 77})
    assert response.status_code == 500
    assert "all values were restored" in response.get_json()["message"]
    assert client.get("/conf").text == before


def test_sources_are_those_that_lmcache_knows(client: FlaskClient) -> None:
    before = details(client)
    assert before["chunk_size"]["source"] == "configured"
    assert {found["source"] for found in before.values()} == {"configured", "default"}
    client.post("/conf", json={"min_retrieve_tokens": 5, "max_local_cpu_size": 0.5})
    after = details(client)
    assert {name for name, found in after.items() if found["source"] == "runtime"} == {
        "min_retrieve_tokens",
        "max_local_cpu_size",
    }
    client.post("/conf/rollback?to=0")
    assert {name: found["source"] for name, found in details(client).items()} == {
        name: found["source"] for name, found in before.items()
    }


@pytest.mark.parametrize("name", ["max_local_cpu_size", "max_local_disk_size"])
@pytest.mark.parametrize("value", [-1, -0.5, "-3", 1e308])
def test_impossible_sizes_are_refused(client: FlaskClient, name: str, value: object) -> None:
    response = client.post("/conf", json={name: value})
    assert response.status_code == 400
    assert f"Invalid value for {name}: expected at" in response.get_json()["errors"][name]


def test_known_effects_are_reported(client: FlaskClient) -> None:
    found = details(client)
    effects = {name: what["takes_effect"] for name, what in found.items()}
    assert {name for name, effect in effects.items() if effect == "when its backend is recreated"} == _READ_BY_BACKENDS
    restart = {name for name, effect in effects.items() if effect == "at restart"}
    assert "internal_api_server_port_start" in restart
    assert restart == {name for name, what in found.items() if not what["mutable"]}
    assert effects["lookup_timeout_ms"] == "unknown"
    assert found["remote_url"]["type"] == "str | None"
    assert "minimum" not in found["remote_url"]


def test_a_disk_set_at_runtime_is_used_when_its_backend_is_created(client: FlaskClient, tmp_path: Any) -> None:
    client.post("/conf", json={"local_disk": str(tmp_path), "max_local_disk_size": 0.1})
    assert "LocalDiskBackend" not in client.get("/backends").get_json()
    assert "LocalDiskBackend" in client.post("/backends").get_json()["created"]
    assert client.delete("/backends/LocalDiskBackend").status_code == 200
