"""`python -m tests.docs.endpoints` prints `docs/endpoints.md`: what a worker of the embedded engine says of itself."""

from __future__ import annotations

import json
from typing import Any

from lmcache_internal import create_app
from lmcache_internal.errors import ApiError
from lmcache_internal.operations.responses import failure
from tests.docs.schema_words import ERRORS, Schema, shape_of, type_of
from tests.openapi.support import Document, Operation, document_of, operations, resolved
from tests.support import make_manager

HEAD = """# Endpoints

<!-- Printed by `make docs` from the endpoints themselves; do not edit. -->

`GET /` lists them for curl, `GET /openapi.json` describes them to programs (OpenAPI 3.1, with the plugins of that very
process), and `GET /docs` is a page on which they can be tried, with the extra `docs`:
`pip install '.[docs]'` in a clone of the repository. With tokens in use, the page asks for one.

Behind each path stands [the level](security.md) that it takes; 401, 403 and 429 are what the gate may answer to any of
them. HEAD and OPTIONS are served, too, and so is a path with a trailing slash. Errors are `{error, message}` where
nothing else is said (a few of LMCache's own are `{error}`).

| status | when |
| --- | --- |
"""
GATE = ("401", "403", "429")
STATUSES = {413: "The request's body is too large."}


def as_markdown() -> str:
    """The text of `docs/endpoints.md`."""
    with make_manager() as manager:
        client = create_app(manager).test_client()
        document = document_of(client)
        listed = client.get("/", base_url="http://localhost:7000", headers={"Accept": "application/json"}).json or []
    curls = {(entry["method"], entry["path"]): entry["curl"] for entry in listed}
    parts = {tag["name"]: [f"## {tag['name']}\n\n{tag['description']}\n"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        parts[operation["tags"][0]].append(_operation(document, method, path, operation, curls[method, path]))
    return HEAD + _statuses() + "".join(f"\n{part}" for tag in parts.values() for part in tag)


def _statuses() -> str:
    kinds: list[Any] = ApiError.__subclasses__()
    told = {kind.status: failure(kind).description for kind in reversed(kinds)} | STATUSES
    return "".join(f"| {status} | {told[status]} |\n" for status in sorted(told))


def _operation(document: Document, method: str, path: str, operation: Operation, curl: str) -> str:
    text = [part.replace("\n", " ") for part in operation["description"].split("\n\n")]
    text[-1] = text[-1].partition(".")[2].strip()  # The heading has the level already.
    paragraphs = [
        f"### {method} {path} ({operation['x-access']})",
        " ".join(part for part in (operation["summary"], *text) if part),
        _arguments(document, operation),
        f"Answers {', '.join(_answers(document, operation))}.",
        f"`{curl}`",
    ]
    return "\n\n".join(part for part in paragraphs if part) + "\n"


def _arguments(document: Document, operation: Operation) -> str:
    rows = [_row(found["name"], found["in"], found) for found in operation.get("parameters", ())]
    for content in operation.get("requestBody", {}).get("content", {}).values():
        body = resolved(document, content["schema"])
        if "properties" not in body:
            rows.append(_row("(all of it)", "body", {"schema": body, "required": operation["requestBody"]["required"]}))
        for name, field in body.get("properties", {}).items():
            rows.append(_row(name, "body", {"schema": field, "required": name in body["required"]}))
    return "\n".join(["| argument | in | what | default |", "| --- | --- | --- | --- |", *rows]) if rows else ""


def _row(name: str, place: str, found: dict[str, Any]) -> str:
    schema: Schema = found["schema"]
    default = "required" if found.get("required") else json.dumps(schema.get("default"))
    said = found.get("description") or schema.get("description")
    what = type_of(schema) + (f": {said}" if said else "")
    if found.get("explode") is False:
        what = "names, separated by commas"
    return f"| `{name}` | {place} | {what} | {'' if default == 'null' else default} |"


def _answers(document: Document, operation: Operation) -> list[str]:
    return [
        f"{status}{_bodies(document, resolved(document, response))}"
        for status, response in operation["responses"].items()
        if status not in GATE
    ]


def _bodies(document: Document, response: Operation) -> str:
    found = [_body(document, media_type, each["schema"]) for media_type, each in response.get("content", {}).items()]
    return "".join(f" {told}" for told in [" or ".join(filter(None, found))] if told)


def _body(document: Document, media_type: str, schema: Schema) -> str:
    shape = shape_of(document, schema)
    if shape in ("", *ERRORS):
        return ""
    if shape == "text":
        return {"application/json": "a JSON string", "text/plain": "text"}.get(media_type, f"`{media_type}`")
    return f"`{shape}`" + (" as text" if "contentSchema" in schema else "")


if __name__ == "__main__":
    print(as_markdown(), end="")
