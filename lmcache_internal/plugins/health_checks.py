"""The health checks of a plugin.

They are a declaration beside the `router`, so that the health checks need no knowledge of plugins.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

from flask import Flask

from .report import PluginError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EXAMPLE = "such as health_checks = {'server': check_server}"


def health_checks_of(loaded: object) -> Mapping[str, Callable[[], object]]:
    """Return the checks that a plugin declares as `health_checks`, by name; none if it declares none.

    Raises:
        PluginError: the declaration is invalid.
    """
    found: Any = getattr(loaded, "health_checks", None) if isinstance(loaded, ModuleType) else None
    if found is None or isinstance(found, FunctionType):  # Plugins may have a function of that name.
        return {}
    if not isinstance(found, dict):
        raise PluginError(f"its `health_checks` must be a dict of names and functions, {_EXAMPLE}; got {found!r}")
    for name, check in found.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise PluginError(
                "a name in its `health_checks` must have 1 to 40 characters of a-z, 0-9 and _, and begin with a "
                f"letter, {_EXAMPLE}; got {name!r}"
            )
        if not _takes_no_arguments(check):
            raise PluginError(f"its health check {name!r} must be a function without arguments, {_EXAMPLE}")
    return found


def in_context(app: Flask, check: Callable[[], object]) -> Callable[[], object]:
    """Return a check that runs in the context of `app`, so that it can use `engine()` and the like."""
    return functools.partial(_run, app, check)


def _run(app: Flask, check: Callable[[], object]) -> object:
    with app.app_context():
        return check()


def _takes_no_arguments(check: object) -> bool:
    if not callable(check):
        return False
    try:
        inspect.signature(check).bind()
    except (TypeError, ValueError):  # It needs an argument, or is a builtin without a signature.
        return False
    return True
