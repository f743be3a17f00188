"""Hot cache: whether the CPU memory backend stores new chunks."""

from typing import Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import Conflict, Role, backend_names, engine, mode_switched, operation, started_engine

router = Blueprint("hot_cache", __name__, url_prefix="/hot_cache")

_UNAVAILABLE = "hot_cache API is unavailable"


class HotCache(TypedDict):
    """Whether the hot cache is enabled."""

    status: Literal["success"]
    hot_cache: bool
    message: str


@router.put("/enable")
@operation(action="enable hot cache", access=Role.OPERATOR, media="pretty", exclusive=True)
def enable() -> HotCache:
    """Enable the hot cache (store new chunks in CPU memory)."""
    return _set(True)


@router.put("/disable")
@operation(action="disable hot cache", access=Role.OPERATOR, media="pretty", exclusive=True)
def disable() -> HotCache:
    """Disable the hot cache and drop its chunks."""
    return _set(False)


@router.get("/status")
@operation(action="get hot cache status", media="pretty")
def status() -> HotCache:
    """Show whether the hot cache is enabled."""
    enabled = engine(_UNAVAILABLE).is_hot_cache_enabled()
    return {
        "status": "success",
        "hot_cache": enabled,
        "message": f"Hot cache is {'enabled' if enabled else 'disabled'}",
    }


def _set(enabled: bool) -> HotCache:
    found = started_engine(_UNAVAILABLE)
    found.set_hot_cache(enabled)
    # Without a memory backend, LMCache ignores the setting and reports success.
    if backend_names(found) is not None and found.is_hot_cache_enabled() != enabled:
        message = "The engine ignored the setting; check that LocalCPUBackend is not closed (GET /backends)"
        raise Conflict(message, title="Not applied")
    mode_switched("hot-off", not enabled)
    done = "enabled" if enabled else "disabled"
    return {"status": "success", "hot_cache": enabled, "message": f"Hot cache {done} successfully"}
