"""The role that a request requires: the one its view declares, or a safe default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


Arguments = Mapping[str, Sequence[str]]
"""The query's parameters, each with all of its values: any of a repeated one may be what counts."""


def is_write(view: Callable[..., Any], method: str, arguments: Arguments) -> bool:
    """Whether a request changes something: by its method, or by an argument declared to do so."""
    writing: str | None = getattr(view, "write_parameter", None)
    return method not in SAFE_METHODS or bool(writing and any(arguments.get(writing, ())))


def required_access(view: Callable[..., Any], method: str, arguments: Arguments) -> Role:
    """The level that a request needs: the view's own, or, where it declares none, a safe one."""
    declared: Role | None = getattr(view, "access", None)
    if declared is None:
        declared = Role.VIEWER if method in SAFE_METHODS else Role.ADMIN
    if method in SAFE_METHODS and is_write(view, method, arguments):
        return max(declared, Role.OPERATOR)
    return declared
