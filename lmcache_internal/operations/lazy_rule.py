"""A URL rule that compiles its URL builders when they are first used.

werkzeug generates and compiles two functions per rule for `url_for`, which this app does not call. They took three
quarters of the time of `create_app`, during which an engine waits. To remove this, delete the file and its use in
`flask_fastpath.py`. A werkzeug that has no `_compile_builder` ignores the override.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from werkzeug.routing import Rule

Builder = Callable[..., tuple[str, str]]


class LazyRule(Rule):
    """A rule with lazy URL builders."""

    @cached_property
    def _builders(self) -> dict[bool, Builder]:
        compiled = super()._compile_builder
        return {append_unknown: compiled(append_unknown) for append_unknown in (False, True)}

    def _compile_builder(self, append_unknown: bool = True) -> Builder:
        def build(rule: LazyRule, /, **values: Any) -> tuple[str, str]:
            return rule._builders[append_unknown](rule, **values)

        return build
