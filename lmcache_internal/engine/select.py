"""Which runtime belongs to a manager."""

from __future__ import annotations

import sys
from typing import Any, cast

from ..errors import EngineUnavailable
from .runtime import BaseRuntime, Runtime


def runtime_of(manager: Any) -> Runtime:
    """The runtime that belongs to `manager`: its own, or that of LMCache; else 503."""
    own = getattr(manager, "runtime", None)
    if BaseRuntime in type(own).__mro__:  # By its type: a mock has whatever it is asked for.
        return cast(Runtime, own)
    if "lmcache" not in sys.modules:
        raise EngineUnavailable(
            f"{type(manager).__name__} has no `runtime` of the type Runtime, and LMCache is not loaded here."
        )
    # Only now: it imports torch, which nobody without LMCache should pay for.
    from .lmcache import LMCacheRuntime

    return LMCacheRuntime(manager)
