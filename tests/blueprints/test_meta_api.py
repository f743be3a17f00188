"""GET /meta."""

from __future__ import annotations

from flask.testing import FlaskClient

from lmcache_internal.app import InternalApp


def test_metadata_is_json_as_plain_text(client: FlaskClient) -> None:
    response = client.get("/meta")
    body = response.get_json(force=True)
    assert response.content_type == "text/plain; charset=utf-8"
    assert body["model_name"] == "test-model"
    assert body["kv_shape"] == [2, 2, 16, 2, 4]
    assert "is_first_rank" not in body  # A method.


def test_names_select_and_unknown_names_are_ignored(client: FlaskClient) -> None:
    body = client.get("/meta?names=worker_id,nope,__class__,is_first_rank").get_json(force=True)
    assert body == {"worker_id": 0}


def test_scheduler_has_metadata_too(app: InternalApp, client: FlaskClient) -> None:
    app.state.lmcache_adapter.lmcache_engine = None
    assert client.get("/meta").status_code == 200


def test_missing_metadata_gets_503(app: InternalApp, client: FlaskClient) -> None:
    app.state.lmcache_adapter.lmcache_engine_metadata = None
    assert client.get("/meta").status_code == 503
