"""The app enforces the requirements and limits in the OpenAPI document."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lmcache_internal import create_app
from tests.openapi.support import document_of, operations, resolved

# Required arguments of operations, independent of the document.
QUERIES: dict[tuple[str, str], dict[str, str]] = {
    ("PUT", "/bypass/add"): {"backend_name": "x"},
    ("PUT", "/bypass/remove"): {"backend_name": "x"},
    ("GET", "/cache/kvcache/check"): {"slot_mapping": "1", "chunk_size": "1"},
    ("POST", "/cache/retrieve"): {"tokens_mock": "0,1"},
    ("POST", "/cache/store"): {"tokens_mock": "0,1"},
    ("POST", "/conf/rollback"): {"to": "0"},
    ("PUT", "/loglevel"): {"logger_name": "tests.openapi"},
}
# An optional argument of an operation that requires one of several.
ONE_OF_SEVERAL: dict[tuple[str, str], dict[str, str]] = {("POST", "/cache/explain"): {"tokens_mock": "0,1"}}
BODIES: dict[tuple[str, str], Callable[[], dict[str, Any]]] = {
    ("POST", "/cache/load-fs-chunks"): lambda: {"json": {"config_path": "x"}},
    ("POST", "/conf"): lambda: {"json": {}},
    ("POST", "/run_script"): lambda: {"data": {"script": (io.BytesIO(b"result = 1"), "script.py")}},
}


@pytest.fixture
def bare() -> FlaskClient:
    """The client of an app without an engine: invalid arguments get 400, valid ones do not."""
    return create_app(None).test_client()


def request(client: FlaskClient, method: str, path: str, query: dict[str, str]) -> TestResponse:
    body = BODIES.get((method, path), dict)()
    return client.open(re.sub(r"{\w+}", "x", path), method=method, query_string=query, **body)


def outside(schema: dict[str, Any]) -> Iterator[str]:
    """Yield one invalid text for each limit of the schema."""
    limits: dict[str, Callable[[Any], str]] = {
        "maxLength": lambda most: "x" * (most + 1),
        "minLength": lambda least: "x" * (least - 1),
        "minimum": lambda least: str(least - 1),
        "maximum": lambda most: str(most + 1),
        "enum": lambda _: "nope",
        "pattern": lambda _: "?",
    }
    yield from (limits[name](limit) for name, limit in schema.items() if name in limits)
    yield from {"integer": ["x", "1.5"], "number": ["x"], "boolean": ["maybe"]}.get(schema.get("type", ""), [])


def test_responses_without_engine_match_document(bare: FlaskClient) -> None:
    for method, path, operation in operations(document := document_of(bare)):
        response = request(bare, method, path, (QUERIES | ONE_OF_SEVERAL).get((method, path), {}))
        assert str(response.status_code) in operation["responses"], (method, path, response.status_code)
        described = resolved(document, operation["responses"][str(response.status_code)])
        assert response.mimetype in described["content"], (method, path)
        assert response.status_code != 400, (method, path)


def test_required_parameters_are_required(bare: FlaskClient) -> None:
    for method, path, operation in operations(document_of(bare)):
        query = QUERIES.get((method, path), {})
        required = {found["name"] for found in operation.get("parameters", ()) if found.get("required")}
        assert required - set(re.findall(r"{(\w+)}", path)) == query.keys(), (method, path)
        for name in query:
            kept = {other: value for other, value in query.items() if other != name}
            assert request(bare, method, path, kept).status_code == 400, (method, path, name)
        needs_body = operation.get("requestBody", {}).get("required", False)
        assert needs_body == ((method, path) in BODIES)
        if needs_body:
            assert bare.open(path, method=method).status_code == 400, (method, path)


def test_limits_of_parameters_are_enforced(bare: FlaskClient) -> None:
    tried = set()
    for method, path, operation in operations(document_of(bare)):
        for found in operation.get("parameters", ()):
            for value in outside(found["schema"]) if found["in"] == "query" else ():
                query = QUERIES.get((method, path), {}) | {found["name"]: value}
                assert request(bare, method, path, query).status_code == 400, (method, path, query)
                tried.add(found["name"])
    assert tried >= {"backend_name", "chunk_size", "dry_run", "for", "level", "name", "samples", "to", "tokens_mock"}


def test_limits_of_body_are_enforced(bare: FlaskClient) -> None:
    properties = document_of(bare)["components"]["schemas"]["LoadRequest"]["properties"]
    assert properties["max_failed_keys"]["maximum"] == 10_000
    for body in (
        {"config_path": ""},
        {"config_path": "x", "max_failed_keys": 10_001},
        {"config_path": "x", "max_chunks": -1},
    ):
        assert bare.post("/cache/load-fs-chunks", json=body).status_code == 400, body
    body = {"config_path": "x", "max_failed_keys": 10_000, "max_chunks": 0}
    assert bare.post("/cache/load-fs-chunks", json=body).status_code == 503
