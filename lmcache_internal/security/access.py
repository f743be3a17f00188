"""Access levels: what a route asks for, and what a caller has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Any

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Access(IntEnum):
    """Each level may do what the levels below it may.

    Public: what a load balancer or a scraper needs. Viewer: reading. Operator: changes that
    a restart undoes. Admin: everything; it owns the engine's process.
    """

    PUBLIC = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Access:
        """The level of that name, in any case; `ValueError` naming the levels for another."""
        try:
            return cls[name.upper()]
        except KeyError:
            levels = ", ".join(level.name.lower() for level in cls)
            raise ValueError(f"expected one of {levels}, got {name!r}") from None

    def __str__(self) -> str:
        return self.name.lower()


Arguments = Mapping[str, Sequence[str]]
"""The query's parameters, each with all of its values: any of a repeated one may be what counts."""


def is_write(view: Callable[..., Any], method: str, arguments: Arguments) -> bool:
    """Whether a request changes something: by its method, or by an argument declared to do so."""
    writing: str | None = getattr(view, "writes_with", None)
    return method not in SAFE_METHODS or bool(writing and any(arguments.get(writing, ())))


def required_access(view: Callable[..., Any], method: str, arguments: Arguments) -> Access:
    """The level that a request needs: the view's own, or, where it declares none, a safe one."""
    declared: Access | None = getattr(view, "access", None)
    if declared is None:
        declared = Access.VIEWER if method in SAFE_METHODS else Access.ADMIN
    if method in SAFE_METHODS and is_write(view, method, arguments):
        return max(declared, Access.OPERATOR)
    return declared
