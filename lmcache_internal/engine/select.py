"""Find the runtime of a manager."""

from __future__ import annotations

import sys
from typing import Any, cast

from ..errors import EngineUnavailable
from .runtime import BaseRuntime, Runtime


def runtime_of(manager: Any) -> Runtime:
    """Return the runtime of `manager`: its own, or LMCache's.

    Raises:
        EngineUnavailable: it has none, and LMCache is not loaded (503).
    """
    own = getattr(manager, "runtime", None)
    if BaseRuntime in type(own).__mro__:  # The type is checked, because a mock has every attribute.
        return cast(Runtime, own)
    if "lmcache" not in sys.modules:
        raise EngineUnavailable(
            f"{type(manager).__name__} has no `runtime` of the type Runtime, and LMCache is not loaded here."
        )
    # Imported here, because it imports torch, which is slow and not needed without LMCache.
    from .lmcache import LMCacheRuntime

    return LMCacheRuntime(manager)
