"""PUT /freeze/enable, PUT /freeze/disable and GET /freeze/status."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app

ROUTES = [("PUT", "/freeze/enable"), ("PUT", "/freeze/disable"), ("GET", "/freeze/status")]


def retrieved(client: FlaskClient, tokens: str) -> int:
    return int(client.post(f"/cache/retrieve?tokens_mock={tokens}").get_json()["num_retrieved"])


def test_responses_are_indented_json(client: FlaskClient) -> None:
    for method, path, frozen, message in [
        ("GET", "/freeze/status", "false", "Freeze mode is disabled"),
        ("PUT", "/freeze/enable", "true", "Freeze mode enabled successfully"),
        ("GET", "/freeze/status", "true", "Freeze mode is enabled"),
        ("PUT", "/freeze/enable", "true", "Freeze mode enabled successfully"),
        ("PUT", "/freeze/disable", "false", "Freeze mode disabled successfully"),
        ("GET", "/freeze/status", "false", "Freeze mode is disabled"),
    ]:
        response = client.open(path, method=method)
        assert (response.status_code, response.content_type) == (200, "application/json")
        assert response.text == f'{{\n  "status": "success",\n  "freeze": {frozen},\n  "message": "{message}"\n}}'


def test_frozen_engine_retrieves_but_does_not_store(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,48")
    client.put("/freeze/enable")
    assert client.post("/cache/store?tokens_mock=100,148").status_code == 200
    assert (retrieved(client, "0,48"), retrieved(client, "100,148")) == (48, 0)
    client.put("/freeze/disable")
    client.post("/cache/store?tokens_mock=100,148")
    assert retrieved(client, "100,148") == 48


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_scheduler_gets_503(scheduler: EmbeddedManager, method: str, path: str) -> None:
    response = create_app(scheduler).test_client().open(path, method=method)
    assert response.status_code == 503
    assert response.get_json() == {
        "error": f"{path} API is unavailable",
        "message": "LMCache engine not configured.",
    }


@pytest.mark.parametrize("path", ["/freeze/enable", "/freeze/disable"])
def test_starting_worker_gets_503(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(manager.lmcache_engine, "storage_manager", None)
    response = client.put(path)
    assert (response.status_code, response.get_json()["error"]) == (503, f"{path} API is unavailable")
