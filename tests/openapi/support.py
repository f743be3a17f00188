"""Helpers for the tests of the OpenAPI document."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import openapi_spec_validator
from werkzeug.test import Client

METHODS = ("get", "put", "post", "delete", "patch")
Operation = dict[str, Any]
Document = dict[str, Any]


def document_of(client: Client, **options: Any) -> Document:
    response = client.get("/openapi.json", **options)
    assert (response.status_code, response.content_type) == (200, "application/json")
    document: Document = response.get_json()
    return document


def validate(document: Document) -> None:
    """Raise an exception if a document is invalid. Equal documents are validated once, because it is slow."""
    _validate(json.dumps(document, sort_keys=True))


@functools.cache
def _validate(document: str) -> None:
    openapi_spec_validator.validate(json.loads(document))


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
