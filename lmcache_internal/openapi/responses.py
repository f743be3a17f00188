"""How requests are answered, as OpenAPI tells it: by what an operation declares, and by what the gate does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..operations.etags import PreconditionFailed
from ..operations.responses import Answer, gate_answers
from .routes import Route
from .schemas import Schema, Schemas

_HEADERS = {
    "ETag": "The entity tag of all of it.",
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "How to say who you are.",
}
_UNCHANGED = Answer(304, "It still has the entity tag in If-None-Match.", "Unchanged", headers=["ETag"])
_UNKNOWN = Answer(0, "Whatever the view makes of it: it declares nothing.", "Undeclared")


def answers_of(route: Route, tokens_in_use: bool) -> list[Answer]:
    """All ways in which a request of the route may end; status 0 stands for any other."""
    declared: list[Answer] = getattr(route.view, "answers", [_UNKNOWN])
    found = [*declared, *gate_answers(route.access, tokens_in_use)]
    if route.method == "GET" and any(answer.status == PreconditionFailed.status for answer in declared):
        found.append(_UNCHANGED)
    return found


def response(answers: Sequence[Answer], schemas: Schemas) -> Schema:
    """What is said of one status, which several ways may lead to."""
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
        "description": " ".join(dict.fromkeys(answer.description for answer in answers)),
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
