"""Which health checks an engine has, by its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..engine.kinds import EngineKind, kind_of
from .checks import CHECKS, Check
from .mp_checks import MP_CHECKS

_BY_KIND: Mapping[EngineKind, Mapping[str, Check]] = {"in-process": CHECKS, "mp": MP_CHECKS}


def checks_of(manager: Any) -> Mapping[str, Check]:
    """Return the checks of a manager's engine by name; those of an in-process engine without a manager."""
    return _BY_KIND[kind_of(manager)]
