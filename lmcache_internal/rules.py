"""A path's rule that learns late how to build URLs."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

from werkzeug.routing import Rule


class LazyRule(Rule):
    """A rule that learns to build URLs, which nobody here asks for, when it is first asked to.

    werkzeug writes and compiles two functions for that whenever a rule is made: half of what it takes to make an app.
    A werkzeug that does so elsewhere is as quick as it was. To remove it, delete this file and its use in `app.py`.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = cache(partial(super()._compile_builder, append_unknown))

        def build(rule: Rule, /, **values: Any) -> tuple[str, str]:
            return compiled()(rule, **values)

        return build
