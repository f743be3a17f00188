"""GET /inference_info and GET /inference_version."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, create_app
from tests.support import SHAPE


class Serving(EmbeddedManager):
    """A manager with information about its inference engine."""

    def get_inference_info(self) -> dict[str, Any]:
        return {"model": {"name": "m", "max_tokens": 7, "hf_token": "s3cret"}, "url": "http://u:s3cret@host"}

    def get_inference_version(self) -> str:
        return "0.11.0"


class Bare:
    """A manager without information and version."""

    config = EmbeddedConfig()


@pytest.fixture
def serving() -> Any:
    metadata = EmbeddedMetadata("test-model", SHAPE)
    with Serving(EmbeddedConfig({"chunk_size": SHAPE[2]}), metadata) as manager:
        yield create_app(manager).test_client()


@pytest.mark.parametrize("query", ["", "?format=json", "?format=", "?format=x&format=y"])
def test_info_comes_from_adapter_with_secrets_masked(serving: FlaskClient, query: str) -> None:
    response = serving.get(f"/inference_info{query}")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text.startswith('{\n  "model": {\n    "name": "m",\n')
    assert response.get_json() == {
        "model": {"name": "m", "max_tokens": 7, "hf_token": "***"},
        "url": "http://***@host",
    }


def test_info_is_empty_without_inference_engine(client: FlaskClient) -> None:
    assert client.get("/inference_info").get_json() == {}


def test_version_comes_from_adapter(serving: FlaskClient) -> None:
    response = serving.get("/inference_version")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text == '{\n  "vllm_version": "0.11.0"\n}'


def test_version_falls_back_to_info(manager: EmbeddedManager, client: FlaskClient) -> None:
    manager.get_inference_info = lambda: {"vllm_version": "0.32.0"}  # type: ignore[method-assign]
    assert client.get("/inference_version").get_json() == {"vllm_version": "0.32.0"}


def test_adapter_without_version_gets_503(client: FlaskClient) -> None:
    response = client.get("/inference_version")
    assert response.status_code == 503
    assert response.get_json() == {
        "error": "Inference version unavailable",
        "message": "EmbeddedManager does not provide the version of the inference engine",
    }


def test_adapter_without_info_gets_501() -> None:
    response = create_app(Bare()).test_client().get("/inference_info")
    assert response.status_code == 501
    assert response.get_json()["error"] == "Not supported by this engine"
    assert "Bare has no get_inference_info" in response.get_json()["message"]


@pytest.mark.parametrize("path", ["/inference_info", "/inference_version"])
def test_missing_adapter_gets_503(path: str) -> None:
    response = create_app(None).test_client().get(path)
    assert (response.status_code, response.get_json()["error"]) == (503, "LMCache adapter unavailable")
