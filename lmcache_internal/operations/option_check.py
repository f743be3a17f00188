"""Rejects, when a plugin loads, options of `@operation` that have a wrong value or no effect."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, get_args

from ..conversion import shown
from ..errors import ApiError
from ..roles import Role


def check_options(
    access: Role | None,
    *,
    cheap: bool,
    exclusive: bool,
    large_body: bool = False,
    timeout: float | None,
    errors: Iterable[Any],
) -> None:
    """Raise `TypeError`, with the fix, unless each option can be used; the parameters are those of `operation`."""
    if access is not None and not isinstance(access, Role):
        raise TypeError(f"access={shown(access)} is not a role: write access=Role.VIEWER, or PUBLIC, OPERATOR or ADMIN")
    if large_body and access is Role.PUBLIC:
        raise TypeError("large_body=True with access=Role.PUBLIC lets every client fill the memory: remove one of them")
    if timeout is not None:
        number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
        if not (number and 0 < timeout < math.inf):
            raise TypeError(f"timeout={shown(timeout)} is not a number of seconds: write, for example, timeout=5.0")
    for given, name in ((timeout, "timeout"), (exclusive, "exclusive")):
        if cheap and given:
            raise TypeError(f"{name}= has no effect with cheap=True: remove one of them")
    if isinstance(errors, type):
        raise TypeError(f"errors={errors.__name__} is not a tuple: write errors=({errors.__name__},)")
    for error in errors:
        kind = get_args(error)[0] if get_args(error) else error
        if not (isinstance(kind, type) and issubclass(kind, ApiError)):
            raise TypeError(
                f"errors= contains {shown(error)}, which has no HTTP status: use BadRequest, NotFound, Conflict, "
                "NotSupported or EngineUnavailable"
            )
