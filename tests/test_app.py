"""`create_app`: the engine of an app, and error responses."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.app import InternalApp
from tests.support import make_manager


def test_adapter_is_the_same_object(app: InternalApp, manager: EmbeddedManager) -> None:
    assert app.state.lmcache_adapter is manager


def test_adapter_is_read_at_each_request(app: InternalApp, client: FlaskClient) -> None:
    with make_manager(worker_id=1) as other:
        app.state.lmcache_adapter = other
        assert client.get("/meta?names=worker_id").get_json(force=True) == {"worker_id": 1}


@pytest.mark.parametrize("path", ["/conf", "/meta", "/lmc_version"])
def test_a_missing_adapter_is_a_503(app: InternalApp, client: FlaskClient, path: str) -> None:
    del app.state.lmcache_adapter
    response = client.get(path)
    assert response.status_code == 503
    assert response.get_json().keys() == {"error", "message"}


def test_an_app_without_an_engine_serves_routes_that_need_none() -> None:
    client = create_app(None).test_client()
    assert client.get("/metrics").status_code == 200
    assert client.get("/conf").status_code == 503


def test_apps_are_independent(manager: EmbeddedManager) -> None:
    with make_manager(worker_id=1, min_retrieve_tokens=1) as other:
        one, two = create_app(manager).test_client(), create_app(other).test_client()
        assert one.post("/conf", json={"min_retrieve_tokens": 5}).status_code == 200
        assert two.get("/conf?names=min_retrieve_tokens").get_json(force=True) == {"min_retrieve_tokens": 1}


def test_a_trailing_slash_is_served_without_a_redirect(client: FlaskClient) -> None:
    assert client.get("/lmc_version/").get_json() == client.get("/lmc_version").get_json()


def test_head_and_options_work(client: FlaskClient) -> None:
    head = client.head("/conf")
    assert (head.status_code, head.data) == (200, b"")
    assert set(client.options("/conf").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


def test_an_unknown_path_is_a_404_in_the_common_format(client: FlaskClient) -> None:
    response = client.get("/no/such/path")
    assert (response.status_code, response.mimetype) == (404, "application/json")
    assert response.get_json() == {
        "error": "Not Found",
        "message": "No endpoint at /no/such/path; GET / lists all endpoints",
    }


def test_a_wrong_method_is_a_405_that_lists_the_allowed_ones(client: FlaskClient) -> None:
    response = client.delete("/conf")
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}
    assert "Method DELETE is not allowed on /conf" in response.get_json()["message"]


PLUGIN = '''
from flask import Blueprint, abort
from lmcache_internal.api import operation

router = Blueprint("faulty", __name__)

@router.get("/faulty")
@operation(action="try it")
def faulty():
    """Fail."""
    raise RuntimeError("redis://user:s3cret@host is gone")

@router.get("/plain")
def plain():
    raise RuntimeError("s3cret")

@router.get("/teapot")
def teapot():
    abort(418)
'''


@pytest.fixture
def faulty(manager: EmbeddedManager, tmp_path: Path) -> FlaskClient:
    (tmp_path / "faulty_api.py").write_text(PLUGIN)
    return create_app(manager, [tmp_path]).test_client()


def test_an_exception_in_an_operation_is_a_500_that_names_the_action(faulty: FlaskClient) -> None:
    response = faulty.get("/faulty")
    assert response.status_code == 500
    assert response.get_json() == {"error": "Failed to try it", "message": "redis://***@host is gone"}


def test_an_exception_in_a_plain_view_is_a_500_without_details(
    faulty: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    response = faulty.get("/plain")
    assert response.status_code == 500
    assert response.get_json()["error"] == "Internal server error"
    assert "s3cret" not in response.text
    assert any(record.exc_info for record in caplog.records)


def test_abort_gets_the_common_format(faulty: FlaskClient) -> None:
    response = faulty.get("/teapot")
    assert response.status_code == 418
    assert response.get_json().keys() == {"error", "message"}
