"""Lists the routes of an app, for `GET /` and the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from flask import Flask
from msgspec import Struct
from werkzeug.routing import Rule

from ..operations.arguments import Argument
from ..operations.docstrings import summary_of
from ..roles import Role
from ..security.access import required_role

_AUTOMATIC = frozenset({"HEAD", "OPTIONS"})
_VARIABLE = re.compile(r"<(?:[^<>]+:)?([^:<>]+)>")


class Route(Struct, frozen=True):
    """One method of one path.

    Attributes:
        method: in upper case; HEAD and OPTIONS, which Flask adds, are not listed.
        path: with variables in braces: `/backends/{name}`.
        rule: its Flask rule.
        view: its view function.
    """

    method: str
    path: str
    rule: Rule
    view: Callable[..., Any]

    @property
    def access(self) -> Role:
        """The role that the gate requires, if no argument makes a GET a write."""
        return required_role(self.view, self.method, {})

    @property
    def arguments(self) -> list[Argument]:
        """The arguments of the view, if it is an `@operation`; empty otherwise."""
        return getattr(self.view, "arguments", [])

    @property
    def summary(self) -> str:
        """The first line of the view's docstring."""
        return summary_of(self.view.__doc__)


def routes_of(app: Flask) -> list[Route]:
    """Return all routes of `app`, sorted by path and method."""
    rules = sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)
    return [
        Route(method, _VARIABLE.sub(r"{\1}", rule.rule), rule, app.view_functions[rule.endpoint])
        for rule in rules
        for method in sorted((rule.methods or set()) - _AUTOMATIC)
    ]
