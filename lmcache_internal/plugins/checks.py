"""Rejects plugins whose routes clash or that misuse `@operation`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from flask import Blueprint, Flask
from werkzeug.routing import Rule

from ..operations.flask_fastpath import LeanFlask
from .report import PluginError

Route = tuple[str, str]
"""A method, and a path pattern without the names of its variables."""


def free_name(name: str, app: Flask) -> str:
    """Return `name`, with a number if a blueprint of `app` has that name."""
    candidates = [name, *(f"{name}_{number}" for number in range(2, 2 + len(app.blueprints)))]
    return next(candidate for candidate in candidates if candidate not in app.blueprints)


def rules_of(router: Blueprint, app: LeanFlask) -> list[Rule]:
    """Register the blueprint on `app`; return the rules that it makes there. Raises `PluginError`."""
    name, before = free_name(router.name, app), len(app.url_map.added)
    try:
        app.register_blueprint(router, name=name)
    except Exception as error:  # Deferred setup functions are plugin code and may raise anything.
        raise PluginError.of("its blueprint cannot be registered", error) from error
    return [rule for rule in app.url_map.added[before:] if rule.endpoint.startswith(f"{name}.")]


def routes_of(rules: Iterable[Rule]) -> list[Route]:
    """Return the routes of `rules`; routes that clash are equal."""
    return [
        (method, re.sub(r"<(?:(?:string|([^:<>]+)):)?[^<>]+>", r"<\1>", rule.rule).rstrip("/") or "/")
        for rule in rules
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def refuse_clashes(routes: list[Route], taken: Mapping[Route, str]) -> None:
    """Raise `PluginError` for a route that another plugin serves; `taken` maps each route to its plugin."""
    for route, count in Counter(routes).items():
        if route in taken or count > 1:
            owner = taken.get(route, "itself, twice")
            raise PluginError(f"its route {' '.join(route)} clashes with that of {owner}")


def refuse_misuse(loaded: object, rules: Iterable[Rule], views: Mapping[str, Any]) -> None:
    """Raise `PluginError` if `@operation` has no effect or ignores a variable of the path."""
    unused = {id(value.__wrapped__) for value in _operations_in(loaded)}
    for rule in rules:
        view = views[rule.endpoint]
        if id(view) in unused:
            raise PluginError(f"its {view.__name__} is routed without @operation: write @router.… above @operation")
        arguments = getattr(view, "arguments", None)
        if arguments is not None and (ignored := rule.arguments - {argument.name for argument in arguments}):
            names = ", ".join(sorted(ignored))
            raise PluginError(f"its {view.__name__} has no parameter for {names} in {rule.rule}: add it")


def reads_without_access(rules: Iterable[Rule], views: Mapping[str, Any]) -> list[str]:
    """The paths of `rules` whose GET view declares no access."""
    return [
        rule.rule
        for rule in rules
        if "GET" in (rule.methods or ()) and getattr(views[rule.endpoint], "access", None) is None
    ]


def app_wide(app: Flask) -> Counter[str]:
    """Return how many functions of each kind run for every endpoint of `app`, by the decorator that adds them."""
    return Counter(
        before_app_request=len(app.before_request_funcs.get(None, ())),
        after_app_request=len(app.after_request_funcs.get(None, ())),
        teardown_app_request=len(app.teardown_request_funcs.get(None, ())),
        app_url_value_preprocessor=len(app.url_value_preprocessors.get(None, ())),
        app_errorhandler=sum(map(len, app.error_handler_spec.get(None, {}).values())),
    )


def _operations_in(loaded: object) -> list[Any]:
    values = vars(loaded).values() if isinstance(loaded, ModuleType) else ()
    return [value for value in values if isinstance(value, FunctionType) and hasattr(value, "arguments")]
