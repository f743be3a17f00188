"""Freeze mode: the cache is read-only."""

from typing import Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import Role, engine, mode_switched, operation, started_engine

router = Blueprint("freeze", __name__, url_prefix="/freeze")


class Freeze(TypedDict):
    """Whether freeze mode is enabled."""

    status: Literal["success"]
    freeze: bool
    message: str


@router.put("/enable")
@operation(action="enable freeze mode", access=Role.OPERATOR, media="pretty", exclusive=True)
def enable() -> Freeze:
    """Enable freeze mode (read-only cache)."""
    return _set(True, "/freeze/enable API is unavailable")


@router.put("/disable")
@operation(action="disable freeze mode", access=Role.OPERATOR, media="pretty", exclusive=True)
def disable() -> Freeze:
    """Disable freeze mode."""
    return _set(False, "/freeze/disable API is unavailable")


@router.get("/status")
@operation(action="get freeze mode status", media="pretty")
def status() -> Freeze:
    """Show whether freeze mode is enabled."""
    frozen = engine("/freeze/status API is unavailable").is_frozen()
    return {"status": "success", "freeze": frozen, "message": f"Freeze mode is {'enabled' if frozen else 'disabled'}"}


def _set(enabled: bool, unavailable: str) -> Freeze:
    # While LMCache's engine starts, it reports success but loses the setting.
    started_engine(unavailable).freeze(enabled)
    mode_switched("frozen", enabled)
    done = "enabled" if enabled else "disabled"
    return {"status": "success", "freeze": enabled, "message": f"Freeze mode {done} successfully"}
