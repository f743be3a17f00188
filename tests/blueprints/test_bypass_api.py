"""GET /bypass/list, PUT /bypass/add and PUT /bypass/remove."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from tests.support import make_manager

ROUTES = [
    ("GET", "/bypass/list"),
    ("PUT", "/bypass/add?backend_name=LocalCPUBackend"),
    ("PUT", "/bypass/remove?backend_name=LocalCPUBackend"),
]


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[EmbeddedManager]:
    """A worker with a memory and a disk backend."""
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1.0) as made:
        yield made


def put(client: FlaskClient, action: str, name: str) -> Any:
    response = client.put(f"/bypass/{action}?backend_name={name}")
    assert (response.status_code, response.content_type) == (200, "application/json")
    return response.get_json()


def bypassed(client: FlaskClient) -> Any:
    return client.get("/bypass/list").get_json()["bypassed_backends"]


def retrieved(client: FlaskClient) -> int:
    return int(client.post("/cache/retrieve?tokens_mock=0,48").get_json()["num_retrieved"])


def test_list_is_compact_json(client: FlaskClient) -> None:
    put(client, "add", "LocalDiskBackend")
    response = client.get("/bypass/list")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text == (
        '{"status":"success","bypassed_backends":["LocalDiskBackend"],'
        '"all_backends":["LocalCPUBackend","LocalDiskBackend"]}'
    )


def test_response_has_previous_state(client: FlaskClient) -> None:
    for action, before, after in [("add", False, True), ("add", True, True), ("remove", True, False)]:
        assert put(client, action, "LocalCPUBackend") == {
            "status": "success",
            "backend_name": "LocalCPUBackend",
            "bypassed": after,
            "was_already_bypassed" if action == "add" else "was_bypassed": before,
            "bypassed_backends": ["LocalCPUBackend"] if after else [],
        }
    assert put(client, "remove", "LocalCPUBackend")["was_bypassed"] is False


def test_bypassed_backend_is_not_read(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,48")
    put(client, "add", "LocalCPUBackend")
    assert retrieved(client) == 48  # From disk.
    put(client, "add", "LocalDiskBackend")
    assert retrieved(client) == 0
    put(client, "remove", "LocalCPUBackend")
    assert retrieved(client) == 48


def test_bypassed_backend_is_not_written(client: FlaskClient, tmp_path: Path) -> None:
    put(client, "add", "LocalDiskBackend")
    client.post("/cache/store?tokens_mock=0,48")
    assert list(tmp_path.rglob("*.kv")) == []
    assert retrieved(client) == 48


def test_recreated_backend_is_not_bypassed(client: FlaskClient) -> None:
    put(client, "add", "LocalDiskBackend")
    client.delete("/backends/LocalDiskBackend")
    client.post("/backends")
    assert bypassed(client) == []


def test_bypass_of_closed_backend_can_be_removed(client: FlaskClient, manager: EmbeddedManager) -> None:
    client.delete("/backends/LocalDiskBackend")
    # As in LMCache, where a closed backend stays bypassed.
    manager.require_engine().storage_manager.set_backend_bypass("LocalDiskBackend", True)
    body = client.get("/bypass/list").get_json()
    assert (body["bypassed_backends"], body["all_backends"]) == (["LocalDiskBackend"], ["LocalCPUBackend"])
    assert put(client, "remove", "LocalDiskBackend")["bypassed_backends"] == []
    assert client.put("/bypass/remove?backend_name=LocalDiskBackend").status_code == 400


def test_closed_backend_cannot_be_bypassed(client: FlaskClient) -> None:
    client.delete("/backends/LocalDiskBackend")
    assert client.put("/bypass/add?backend_name=LocalDiskBackend").status_code == 400
    assert bypassed(client) == []


@pytest.mark.parametrize("action", ["add", "remove"])
def test_unknown_backend_gets_400_with_known_backends(client: FlaskClient, action: str) -> None:
    response = client.put(f"/bypass/{action}?backend_name=Nope")
    assert (response.status_code, response.content_type) == (400, "application/json")
    assert response.get_json() == {
        "error": "Unknown backend",
        "message": "No backend 'Nope'; known backends: LocalCPUBackend, LocalDiskBackend",
    }
    assert bypassed(client) == []


@pytest.mark.parametrize("query", ["", "?backend_name=", "?name=LocalCPUBackend"])
@pytest.mark.parametrize("action", ["add", "remove"])
def test_missing_name_gets_400(client: FlaskClient, action: str, query: str) -> None:
    response = client.put(f"/bypass/{action}{query}")
    assert response.status_code == 400
    assert response.get_json() == {"error": "Missing parameter", "message": "backend_name is required"}


def test_huge_name_gets_400(client: FlaskClient) -> None:
    response = client.put(f"/bypass/add?backend_name={'x' * 9000}")
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid parameter")
    assert len(response.text) < 300


def test_last_repeated_name_wins(client: FlaskClient) -> None:
    put(client, "add", "Nope&backend_name=LocalDiskBackend")
    assert bypassed(client) == ["LocalDiskBackend"]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_scheduler_gets_503(scheduler: EmbeddedManager, method: str, path: str) -> None:
    response = create_app(scheduler).test_client().open(path, method=method)
    assert response.status_code == 503
    assert response.get_json() == {
        "error": "Bypass API is unavailable",
        "message": "LMCache engine not configured.",
    }


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_starting_worker_gets_503(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(manager.lmcache_engine, "storage_manager", None)
    response = client.open(path, method=method)
    assert (response.status_code, response.get_json()["error"]) == (503, "Bypass API is unavailable")
