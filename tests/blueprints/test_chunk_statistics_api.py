"""POST /chunk_statistics/start, /stop and /reset, and GET /chunk_statistics/status."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from tests.support import make_manager

ROUTES = [
    ("POST", "/chunk_statistics/start"),
    ("POST", "/chunk_statistics/stop"),
    ("POST", "/chunk_statistics/reset"),
    ("GET", "/chunk_statistics/status"),
]


@pytest.fixture
def manager() -> Iterator[EmbeddedManager]:
    """A scheduler that collects chunk statistics."""
    with make_manager("scheduler", enable_chunk_statistics=True) as made:
        yield made


def look_up(manager: EmbeddedManager, *tokens: int) -> None:
    assert manager.lookup_client is not None
    manager.lookup_client.lookup(tokens)


def status(client: FlaskClient) -> Any:
    return client.get("/chunk_statistics/status").get_json()


def test_whole_and_unique_chunks_are_counted(client: FlaskClient, manager: EmbeddedManager) -> None:
    client.post("/chunk_statistics/start")
    look_up(manager, *range(40))  # Two whole chunks and a half.
    look_up(manager, *range(32), *range(100, 116))  # The same two chunks and a new one.
    look_up(manager, *range(100, 116))  # The same tokens after another prefix are another chunk.
    look_up(manager, 1, 2, 3)
    body = status(client)
    assert time.time() - 60 < body.pop("timestamp") <= time.time()
    assert body == {
        "enabled": True,
        "total_requests": 4,
        "total_chunks": 6,
        "unique_chunks": 4,
        "duplicate_chunks": 2,
        "reuse_rate": 2 / 6,
        "auto_exit_enabled": True,
        "auto_exit_timeout_hours": 0.0,
        "auto_exit_target_unique_chunks": 0,
    }


def test_start_stop_and_reset_control_counts(client: FlaskClient, manager: EmbeddedManager) -> None:
    counted = []
    for action in ("stop", "start", "start", "stop", "reset", "start"):
        client.post(f"/chunk_statistics/{action}")
        look_up(manager, *range(16))
        body = status(client)
        counted.append((body["enabled"], body["total_chunks"], body["unique_chunks"]))
    assert counted == [(False, 0, 0), (True, 1, 1), (True, 2, 1), (False, 2, 1), (False, 0, 0), (True, 1, 1)]


def test_responses_are_indented_json(client: FlaskClient) -> None:
    for action, message in [("start", "Started"), ("stop", "Stopped"), ("reset", "Reset")]:
        response = client.post(f"/chunk_statistics/{action}")
        assert (response.status_code, response.content_type) == (200, "application/json")
        assert response.text == f'{{\n  "status": "success",\n  "message": "{message}"\n}}'
    response = client.get("/chunk_statistics/status")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text.startswith('{\n  "enabled": false,\n')


@pytest.mark.parametrize(
    ("hours", "target", "enabled"), [(2.5, 100, True), (0.0, None, False), (1.0, None, True), (0.0, 0, True)]
)
def test_status_shows_automatic_stop(hours: float, target: int | None, enabled: bool) -> None:
    values: dict[str, Any] = {
        "chunk_statistics_auto_exit_timeout_hours": hours,
        "chunk_statistics_auto_exit_target_unique_chunks": target,
    }
    with make_manager("scheduler", enable_chunk_statistics=True, **values) as manager:
        body = status(create_app(manager).test_client())
    assert body["auto_exit_enabled"] is enabled
    assert body["auto_exit_timeout_hours"] == hours
    assert body["auto_exit_target_unique_chunks"] == target


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_missing_lookup_client_gets_503(method: str, path: str) -> None:
    with make_manager("worker") as worker:
        response = create_app(worker).test_client().open(path, method=method)
    assert response.status_code == 503
    assert response.get_json() == {"error": "API unavailable", "message": "Lookup client not configured."}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_client_without_statistics_gets_400(scheduler: EmbeddedManager, method: str, path: str) -> None:
    response = create_app(scheduler).test_client().open(path, method=method)
    assert (response.status_code, response.get_json()["error"]) == (400, "Not available")
    assert "enable_chunk_statistics: true" in response.get_json()["message"]
