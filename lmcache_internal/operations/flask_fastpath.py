"""Flask without what this app has no use for, by Flask's own hooks.

A request for a plain path costs half of what it does in a bare Flask app, which counts where the
engine waits meanwhile. To remove it, delete this file, and let `InternalApp` be a `Flask`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Any

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter, Rule

_ASYNCHRONOUS = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE


class LeanFlask(Flask):
    """A Flask app without sessions, that finds a path without variables by one look."""

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None, template_folder=None)
        self.session_interface = _NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Find what serves a path; by its patterns only where that takes them."""
        complete: Any = partial(super().create_url_adapter, request)  # There is one for each request.
        rule = None if request is None else self._plain_rules.get((request.method, request.path))
        return complete() if rule is None else _Found(rule, complete)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Let a plain function be; Flask, asked several times a request, looks at it from all sides."""
        code = getattr(func, "__code__", None)
        if code is not None and not code.co_flags & _ASYNCHRONOUS and not func.__dict__:
            return func
        return super().ensure_sync(func)

    @cached_property
    def _plain_rules(self) -> Mapping[tuple[str, str], Rule]:
        found: dict[tuple[str, str], Rule] = {}
        for rule in filter(_is_plain, self.url_map.iter_rules()):
            for method in rule.methods or ():
                found.setdefault((method, rule.rule), rule)
        return found


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002  # So Flask calls it.
        return self._none


class _Found(MapAdapter):
    """The adapter of a request whose rule is known; whatever else is asked of it, the complete one answers."""

    def __init__(self, rule: Rule, complete: Callable[[], MapAdapter]) -> None:
        self._rule = rule
        self._complete = complete

    def match(self, *arguments: Any, **options: Any) -> Any:
        if options == {"return_rule": True} and not arguments:
            return self._rule, {}
        return self._complete().match(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        self.__dict__.update(vars(self._complete()))
        return object.__getattribute__(self, name)


def _is_plain(rule: Rule) -> bool:
    """Whether the path of `rule` is the rule, and matching it has no further consequence."""
    special = (rule.arguments, rule.defaults, rule.redirect_to, rule.alias, rule.build_only, rule.websocket)
    return not any(special) and not (rule.subdomain or rule.host)
