"""Generates the OpenAPI document of a running app from its routes: signatures, docstrings, roles and responses."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from flask import Flask

from ..operations.docstrings import text_of
from ..operations.responses import Answer
from ..roles import Role
from ..version import __version__
from .parameters import body_of, parameters_of
from .responses import answers_of, response
from .routes import Route, routes_of
from .schemas import Schema, Schemas

if TYPE_CHECKING:
    from apispec import APISpec

DOCUMENT_KEY = "lmcache_internal.openapi.document"
"""Key in `app.extensions` of the cached document and the routes it was generated from."""

_ABOUT = (
    "The internal API of one engine process. Each operation requires a role (`x-access`): public < viewer < operator "
    "< admin. Without configured tokens, direct connections over loopback or the Unix socket have role admin, and all "
    "others have role public. With configured tokens, send one: `Authorization: Bearer …`."
)
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token from `lmcache-internal token new`; allows operations that require its role or a lower one.",
}


def document_of(app: Flask, tokens_in_use: bool) -> Schema:
    """Return the document, without `servers`; generate it again if the routes have changed.

    Args:
        app: the running app, with its plugins.
        tokens_in_use: whether callers need a token.
    """
    routes = routes_of(app)
    made_of = [(route.method, route.rule, route.view) for route in routes]
    known, document = app.extensions.get(DOCUMENT_KEY, (None, {}))
    if known != made_of:
        document = _Document(app, routes, tokens_in_use).assemble()
        app.extensions[DOCUMENT_KEY] = (made_of, document)
    return dict(document)


class _Document:
    def __init__(self, app: Flask, routes: Sequence[Route], tokens_in_use: bool) -> None:
        self._app = app
        self._tokens_in_use = tokens_in_use
        self._answers = [(route, answers_of(route, tokens_in_use)) for route in routes]
        self._schemas = Schemas(self._types())

    def assemble(self) -> Schema:
        from apispec import APISpec  # The import takes 30 ms, and few clients request the document.

        info = {"description": _ABOUT, "license": {"name": "Apache-2.0"}}
        spec = APISpec("lmcache-internal", __version__, "3.1.0", info=info, tags=self._tags())
        spec.components.security_scheme("bearer", _BEARER)
        for name, schema in self._schemas.components.items():
            spec.components.schema(name, schema)
        taken: set[str] = set()
        for route, answers in self._answers:
            operation = {"operationId": _free_id(route, taken), **self._operation(route)}
            operation["responses"] = self._responses(spec, answers)
            spec.path(route.path, operations={route.method.lower(): operation})
        return dict(spec.to_dict())

    def _types(self) -> Iterator[Any]:
        for route, answers in self._answers:
            yield from (argument.type for argument in route.arguments)
            yield from (found for answer in answers for found in answer.content.values())

    def _tags(self) -> list[Schema]:
        names = sorted({_tag(route) for route, _ in self._answers} - {""})
        return [{"name": name, "description": _module_text(self._app.blueprints[name].import_name)} for name in names]

    def _operation(self, route: Route) -> Schema:
        tag, parameters, body = _tag(route), parameters_of(route, self._schemas), body_of(route, self._schemas)
        return {
            "summary": route.summary,
            "description": _description(route),
            "x-access": str(route.access),
            **({"tags": [tag]} if tag else {}),
            **({"security": self._security(route.access)} if route.access > Role.PUBLIC else {}),
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": body} if body else {}),
        }

    def _security(self, access: Role) -> list[Schema]:
        # Without configured tokens, `{}` declares that no token is required.
        return [*([] if self._tokens_in_use else [{}]), {"bearer": [str(access)]}]

    def _responses(self, spec: APISpec, answers: Sequence[Answer]) -> Schema:
        found: Schema = {}
        for status in sorted({answer.status for answer in answers}):
            alike = [answer for answer in answers if answer.status == status]
            made = response(alike, self._schemas)
            name = "Or".join(dict.fromkeys(answer.name for answer in alike))
            if all(answer.name for answer in alike):
                if name not in spec.components.responses:
                    spec.components.response(name, made)
                made = {"$ref": f"#/components/responses/{name}"}
            found[str(status) if status else "default"] = made
        return found


def _tag(route: Route) -> str:
    return str(route.rule.endpoint).rpartition(".")[0]


def _module_text(name: str) -> str:
    module = sys.modules.get(name)
    return text_of(module.__doc__) if module else ""


def _description(route: Route) -> str:
    """Return the docstring's text after its first line, and the required role."""
    rest = text_of(route.view.__doc__).removeprefix(route.summary).strip()
    needed = "Requires no credentials." if route.access is Role.PUBLIC else f"Requires role {route.access}."
    writing = getattr(route.view, "write_parameter", None)
    if writing and route.method == "GET":
        needed += f" With `{writing}`, it is a write and requires role {max(route.access, Role.OPERATOR)}."
    return f"{rest}\n\n{needed}" if rest else needed


def _free_id(route: Route, taken: set[str]) -> str:
    """Return a unique id from the route's endpoint, with the method or a number if needed; add it to `taken`."""
    name = re.sub(r"\W", "_", str(route.rule.endpoint))
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    chosen = next(free for free in (name, f"{name}_{route.method.lower()}", *numbered) if free not in taken)
    taken.add(chosen)
    return chosen
