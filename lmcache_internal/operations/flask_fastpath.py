"""Skips the parts of Flask that this app does not use, through Flask's own hooks.

A request for a plain path takes half the CPU time that it takes in a bare Flask app, which matters because the
engine shares the interpreter. To remove it, delete this file and derive `InternalApp` from `Flask`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, partial
from types import FunctionType, MethodType
from typing import Any
from weakref import WeakSet

from flask import Flask, Request
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import Map, MapAdapter, Rule, RuleFactory

from .lazy_rule import LazyRule


class RuleMap(Map):
    """The rules of an app.

    Attributes:
        added: all rules in the order in which they were added. `iter_rules` sorts them for matching first, which takes
            a millisecond after each change.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.added: list[Rule] = []
        super().__init__(*arguments, **options)

    def add(self, rulefactory: RuleFactory) -> None:
        """Add the rules of `rulefactory`."""
        rules = list(rulefactory.get_rules(self))
        for rule in rules:
            super().add(rule)
        self.added.extend(rules)


class LeanFlask(Flask):
    """A Flask app without sessions, which finds a path without variables by one dictionary lookup."""

    url_map: RuleMap
    url_map_class = RuleMap
    url_rule_class = LazyRule

    def __init__(self, import_name: str) -> None:
        super().__init__(import_name, static_folder=None, template_folder=None)
        self.session_interface = _NoSessions()
        self._synchronous: WeakSet[Callable[..., Any]] = WeakSet()  # Weak: views may create functions per request.

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Match plain paths by a dictionary; use werkzeug's patterns for the others."""
        complete: Any = partial(super().create_url_adapter, request)  # Flask calls this once per request.
        rule = None if request is None else self._plain_rules.get((request.method, request.path))
        return complete() if rule is None else _Found(rule, complete)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return a plain function as it is; Flask's own check is slow and runs several times per request."""
        is_plain = isinstance(func, (FunctionType, MethodType))  # Others may have no hash, or no weak references.
        if is_plain and func in self._synchronous:
            return func
        made = super().ensure_sync(func)
        if is_plain and made is func:
            self._synchronous.add(func)
        return made

    @cached_property
    def _plain_rules(self) -> Mapping[tuple[str, str], Rule]:
        found: dict[tuple[str, str], Rule] = {}
        for rule in filter(_is_plain, self.url_map.iter_rules()):
            for method in rule.methods or ():
                found.setdefault((method, rule.rule), rule)
        return found


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002  # Flask's signature.
        return self._none


class _Found(MapAdapter):
    """The URL adapter of a request whose rule is known; delegates everything else to werkzeug's adapter."""

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
    """Whether `rule` is a fixed path without redirect, alias or host matching."""
    special = (rule.arguments, rule.defaults, rule.redirect_to, rule.alias, rule.build_only, rule.websocket)
    return not any(special) and not (rule.subdomain or rule.host)
