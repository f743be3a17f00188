"""The role that a request requires: the one its view declares, or a safe default."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..roles import Role

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


Arguments = Mapping[str, Sequence[str]]
"""The query parameters, each with all its values, because an endpoint may use any value of a repeated parameter."""


def is_write(view: Callable[..., Any], method: str, arguments: Arguments) -> bool:
    """Return whether a request changes something, by its method or by an argument that is declared to write."""
    writing: str | None = getattr(view, "write_parameter", None)
    return method not in SAFE_METHODS or bool(writing and any(arguments.get(writing, ())))


def required_role(view: Callable[..., Any], method: str, arguments: Arguments) -> Role:
    """Return the role that a request requires: the role that its view declares, or else a safe default."""
    declared: Role | None = getattr(view, "access", None)
    if declared is None:
        declared = Role.VIEWER if method in SAFE_METHODS else Role.ADMIN
    if method in SAFE_METHODS and is_write(view, method, arguments):
        return max(declared, Role.OPERATOR)
    return declared
