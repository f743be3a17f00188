"""Describes responses for the OpenAPI document: those an operation declares and those of the authorization gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..operations.etags import PreconditionFailed
from ..operations.responses import Answer, gate_answers
from .routes import Route
from .schemas import Schema, Schemas

_HEADERS = {
    "ETag": "Entity tag of the whole content.",
    "Retry-After": "Seconds to wait before a retry.",
    "WWW-Authenticate": "The authentication scheme: Bearer.",
}
_UNCHANGED = Answer(304, "Not modified", "Unchanged", headers=["ETag"])
_UNKNOWN = Answer(0, "Undeclared response", "Undeclared")


def answers_of(route: Route, tokens_in_use: bool) -> list[Answer]:
    """Return all responses of the route; status 0 means any other status."""
    declared: list[Answer] = getattr(route.view, "answers", [_UNKNOWN])
    found = [*declared, *gate_answers(route.access, tokens_in_use)]
    if route.method == "GET" and any(answer.status == PreconditionFailed.status for answer in declared):
        found.append(_UNCHANGED)
    return found


def response(answers: Sequence[Answer], schemas: Schemas) -> Schema:
    """Return the OpenAPI response for `answers`, which all have one status."""
    headers = {
        name: {"description": _HEADERS[name], "schema": {"type": "string"}}
        for answer in answers
        for name in answer.headers
    }
    content: dict[str, list[Schema]] = {}
    for answer in answers:
        for media_type, found in answer.content.items():
            alternatives = content.setdefault(media_type, [])
            schema = _schema(media_type, found, schemas)
            if schema not in alternatives:
                alternatives.append(schema)
    return {
        "description": "; ".join(dict.fromkeys(answer.description for answer in answers)),
        **({"headers": headers} if headers else {}),
        **(
            {"content": {media_type: {"schema": _any_of(found)} for media_type, found in content.items()}}
            if content
            else {}
        ),
    }


def _schema(media_type: str, found: Any, schemas: Schemas) -> Schema:
    schema = schemas.of(found)
    if media_type == "application/json" or found is str:
        return schema
    return {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}


def _any_of(schemas: Sequence[Schema]) -> Schema:
    return schemas[0] if len(schemas) == 1 else {"anyOf": list(schemas)}
