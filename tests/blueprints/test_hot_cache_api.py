"""PUT /hot_cache/enable, PUT /hot_cache/disable and GET /hot_cache/status."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from tests.support import make_manager

ROUTES = [("PUT", "/hot_cache/enable"), ("PUT", "/hot_cache/disable"), ("GET", "/hot_cache/status")]


def retrieved(client: FlaskClient) -> int:
    return int(client.post("/cache/retrieve?tokens_mock=0,48").get_json()["num_retrieved"])


def is_enabled(client: FlaskClient) -> bool:
    return bool(client.get("/hot_cache/status").get_json()["hot_cache"])


def test_responses_are_indented_json(client: FlaskClient) -> None:
    for method, path, enabled, message in [
        ("GET", "/hot_cache/status", "true", "Hot cache is enabled"),
        ("PUT", "/hot_cache/disable", "false", "Hot cache disabled successfully"),
        ("GET", "/hot_cache/status", "false", "Hot cache is disabled"),
        ("PUT", "/hot_cache/disable", "false", "Hot cache disabled successfully"),
        ("PUT", "/hot_cache/enable", "true", "Hot cache enabled successfully"),
        ("GET", "/hot_cache/status", "true", "Hot cache is enabled"),
    ]:
        response = client.open(path, method=method)
        assert (response.status_code, response.content_type) == (200, "application/json")
        assert response.text == f'{{\n  "status": "success",\n  "hot_cache": {enabled},\n  "message": "{message}"\n}}'


def test_status_matches_config() -> None:
    with make_manager(local_cpu=False) as manager:
        assert is_enabled(create_app(manager).test_client()) is False


def test_disable_drops_chunks_and_stops_storing(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,48")
    client.put("/hot_cache/disable")
    assert retrieved(client) == 0
    client.post("/cache/store?tokens_mock=0,48")
    assert retrieved(client) == 0
    client.put("/hot_cache/enable")
    assert retrieved(client) == 0
    client.post("/cache/store?tokens_mock=0,48")
    assert retrieved(client) == 48


def test_enable_without_memory_backend_gets_409(client: FlaskClient) -> None:
    client.delete("/backends/LocalCPUBackend")
    response = client.put("/hot_cache/enable")
    assert response.status_code == 409
    assert "LocalCPUBackend" in response.get_json()["message"]
    assert is_enabled(client) is False
    assert client.put("/hot_cache/disable").status_code == 200


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_scheduler_gets_503(scheduler: EmbeddedManager, method: str, path: str) -> None:
    response = create_app(scheduler).test_client().open(path, method=method)
    assert response.status_code == 503
    assert response.get_json() == {
        "error": "hot_cache API is unavailable",
        "message": "LMCache engine not configured.",
    }


@pytest.mark.parametrize("path", ["/hot_cache/enable", "/hot_cache/disable"])
def test_starting_worker_gets_503(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(manager.lmcache_engine, "storage_manager", None)
    response = client.put(path)
    assert (response.status_code, response.get_json()["error"]) == (503, "hot_cache API is unavailable")
