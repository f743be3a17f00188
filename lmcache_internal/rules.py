"""A path's rule that learns late how to build URLs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from werkzeug.routing import Rule

_Builder = Callable[..., tuple[str, str]]


class LazyRule(Rule):
    """A rule that learns to build URLs, which nobody here asks for, when it is first asked to.

    werkzeug writes and compiles two functions for that whenever a rule is made, which took a quarter of a start. One
    that does so elsewhere is as quick as it was. To remove this, delete the file and its use in `app.py`.
    """

    @cached_property
    def _builders(self) -> dict[bool, _Builder]:
        return {unknown: super(LazyRule, self)._compile_builder(unknown) for unknown in (False, True)}

    def _compile_builder(self, append_unknown: bool = True) -> _Builder:
        return _build_with_unknown if append_unknown else _build


def _build(rule: LazyRule, /, **values: Any) -> tuple[str, str]:
    return rule._builders[False](rule, **values)


def _build_with_unknown(rule: LazyRule, /, **values: Any) -> tuple[str, str]:
    return rule._builders[True](rule, **values)
