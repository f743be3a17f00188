"""Helpers for the tests of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from werkzeug.test import Client

METHODS = ("get", "put", "post", "delete", "patch")
Operation = dict[str, Any]
Document = dict[str, Any]


def document_of(client: Client, **options: Any) -> Document:
    response = client.get("/openapi.json", **options)
    assert (response.status_code, response.content_type) == (200, "application/json")
    document: Document = response.get_json()
    return document


def operations(document: Document) -> Iterator[tuple[str, str, Operation]]:
    """Yield method, path and description of each operation."""
    for path, item in document["paths"].items():
        for method in item:
            assert method in METHODS
            yield method.upper(), path, item[method]


def resolved(document: Document, found: Any) -> Any:
    while "$ref" in found:
        _, _, kind, name = found["$ref"].split("/")
        found = document["components"][kind][name]
    return found
