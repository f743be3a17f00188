"""GET and POST /conf."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from tests.support import make_manager

NOT_MUTABLE = "Config is not mutable at runtime; set it in the configuration file and restart the engine"


def test_configuration_is_json_as_plain_text(client: FlaskClient) -> None:
    response = client.get("/conf")
    assert response.content_type == "text/plain; charset=utf-8"
    assert response.get_json(force=True)["max_local_cpu_size"] == 5.0


def test_names_select_and_unknown_names_are_ignored(client: FlaskClient) -> None:
    assert client.get("/conf?names=chunk_size,nope,__class__,to_dict").get_json(force=True) == {"chunk_size": 16}


def test_unknown_config_file_keys_are_listed() -> None:
    with make_manager(some_future_key=3) as manager:
        body = create_app(manager).test_client().get("/conf").get_json(force=True)
    assert body["some_future_key"] == 3


def test_infinity_is_still_valid_json(client: FlaskClient, manager: EmbeddedManager) -> None:
    manager.config.max_local_disk_size = float("inf")
    assert client.get("/conf?names=max_local_disk_size").get_json(force=True) == {"max_local_disk_size": None}


def test_secrets_are_masked() -> None:
    with make_manager(
        extra_config={"redis_password": "s3cret"}, remote_url="redis://:s3cret@host:1?x=s3cret"
    ) as manager:
        text = create_app(manager).test_client().get("/conf").text
    assert "s3cret" not in text
    assert "redis://***@host:1" in text


def test_documented_example_works(client: FlaskClient) -> None:
    response = client.post("/conf", json={"min_retrieve_tokens": 512, "save_decode_cache": True})
    assert (response.status_code, response.mimetype) == (200, "application/json")
    assert response.get_json() == {"updated": {"min_retrieve_tokens": 512, "save_decode_cache": True}}
    assert client.get("/conf?names=min_retrieve_tokens").get_json(force=True) == {"min_retrieve_tokens": 512}


def test_values_are_converted_by_the_definition(client: FlaskClient) -> None:
    body = client.post("/conf", json={"min_retrieve_tokens": "512", "local_cpu": "off", "local_disk": False}).get_json()
    assert body == {"updated": {"min_retrieve_tokens": 512, "local_cpu": False, "local_disk": None}}


def test_valid_keys_of_mixed_request_are_applied(client: FlaskClient) -> None:
    response = client.post("/conf", json={"min_retrieve_tokens": 7, "unknown_key": 1, "chunk_size": 3})
    assert response.status_code == 200
    assert response.get_json() == {
        "updated": {"min_retrieve_tokens": 7},
        "errors": {"unknown_key": "Unknown config", "chunk_size": NOT_MUTABLE},
    }


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        ("min_retrieve_tokens", "abc", "Invalid value for min_retrieve_tokens: expected int, got 'abc'"),
        ("min_retrieve_tokens", 1.5, "Invalid value for min_retrieve_tokens: expected int, got 1.5"),
        ("min_retrieve_tokens", None, "Invalid value for min_retrieve_tokens: expected int, got None"),
        ("min_retrieve_tokens", -1, "Invalid value for min_retrieve_tokens: expected at least 0, got -1"),
        ("local_cpu", "maybe", "Invalid value for local_cpu: expected bool, got 'maybe'"),
        ("local_disk", [1], "Invalid value for local_disk: expected str, got [1]"),
        ("extra_config", "{", "Invalid value for extra_config: expected dict, got '{'"),
        ("unknown", 1, "Unknown config"),
        ("__class__", 1, "Unknown config"),
    ],
)
def test_invalid_key_or_value_gets_400_with_reason(client: FlaskClient, key: str, value: Any, error: str) -> None:
    before = client.get("/conf").text
    response = client.post("/conf", json={key: value})
    assert response.status_code == 400
    assert response.get_json() == {"updated": {}, "errors": {key: error}}
    assert client.get("/conf").text == before


@pytest.mark.parametrize(
    "key",
    ["internal_api_server_host", "internal_api_server_enabled", "run_script_api_enabled", "script_allowed_imports"],
)
def test_security_settings_are_not_writable(client: FlaskClient, key: str) -> None:
    body = client.post("/conf", json={key: None}).get_json()
    assert body == {"updated": {}, "errors": {key: NOT_MUTABLE}}


def test_server_settings_inside_extra_config_are_not_writable(tmp_path: Path) -> None:
    own = {"internal_api_server_plugin_dirs": [str(tmp_path)]}
    with make_manager(extra_config=own) as manager:
        client = create_app(manager).test_client()
        for value in (None, {}, {"internal_api_server_plugin_dirs": ["/elsewhere"]}, "{}"):
            assert (
                "plugin_dirs" in client.post("/conf", json={"extra_config": value}).get_json()["errors"]["extra_config"]
            )
        assert client.post("/conf", json={"extra_config": own | {"other": 1}}).status_code == 200
        assert manager.config.extra_config == own | {"other": 1}


def test_mask_is_not_accepted_as_value() -> None:
    with make_manager(extra_config={"password": "s3cret"}) as manager:
        client = create_app(manager).test_client()
        read_back = client.get("/conf?names=extra_config").get_json(force=True)
        assert "mask" in client.post("/conf", json=read_back).get_json()["errors"]["extra_config"]
        assert manager.config.extra_config == {"password": "s3cret"}


def test_curl_default_content_type_is_accepted(client: FlaskClient) -> None:
    form = "application/x-www-form-urlencoded"
    assert client.post("/conf", data='{"min_retrieve_tokens": 9}', content_type=form).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b'{"min_retrieve_tokens": NaN}',
        b'{"max_local_cpu_size": 1e400}',
        b'{"local_disk": "\\ud800"}',
    ],
)
def test_invalid_json_gets_400(client: FlaskClient, body: bytes) -> None:
    response = client.post("/conf", data=body)
    assert response.status_code == 400
    assert response.get_json()["error"] == "Invalid JSON body"


def test_json_that_is_not_an_object_gets_400(client: FlaskClient) -> None:
    response = client.post("/conf", json=[1])
    assert (response.status_code, response.get_json()) == (400, {"error": "Request body must be a JSON object"})


def test_empty_object_updates_nothing(client: FlaskClient) -> None:
    response = client.post("/conf", json={})
    assert (response.status_code, response.get_json()) == (200, {"updated": {}})
