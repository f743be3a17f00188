"""Drain: take a rank out of the rotation of load balancers, and put it back."""

from typing import Annotated, TypedDict

from flask import Blueprint

from lmcache_internal.api import Meta, Role, caller, modes, note, operation, redact
from lmcache_internal.limits.timeouts import clock
from lmcache_internal.redaction.log_lines import escaped

router = Blueprint("drain", __name__, url_prefix="/admin")
engines = ("in-process", "mp")

MAX_REASON = 200
"""Maximum length of a reason, in characters."""
MAX_SECONDS = 7 * 24 * 3600
"""Maximum duration of a drain with `seconds`; without, a drain has no end."""

Seconds = Annotated[int, Meta(ge=1, le=MAX_SECONDS)]


Reason = Annotated[str, Meta(max_length=MAX_REASON)]


class DrainState(TypedDict):
    """Whether the rank is drained, with reason, caller, start and end (ISO 8601, UTC; null without an end)."""

    drained: bool
    reason: str | None
    by: str | None
    since: str | None
    until: str | None


@router.get("/drain")
@operation(action="get the drain state", media="pretty", cheap=True)
def state() -> DrainState:
    """Show whether the rank is drained."""
    return _state()


@router.post("/drain")
@operation(action="drain the rank", access=Role.OPERATOR, media="pretty", cheap=True, strict=True)
def drain(reason: Reason = "", seconds: Seconds | None = None) -> DrainState:
    """Drain the rank: `/readyz` fails with `reason`.

    The drain ends after `seconds`, or with `POST /admin/undrain`. The engine still serves all requests.
    """
    modes().rotation.drain(escaped(reason.strip()), seconds, caller().name)
    note(drained=True)
    return _state()


@router.post("/undrain")
@operation(action="undrain the rank", access=Role.OPERATOR, media="pretty", cheap=True)
def undrain() -> DrainState:
    """Undrain the rank."""
    modes().rotation.undrain()
    note(drained=False)
    return _state()


def _state() -> DrainState:
    found = modes().rotation.drained
    if found is None:
        return {"drained": False, "reason": None, "by": None, "since": None, "until": None}
    until = None if found.until is None else clock(found.until)
    since, reason = clock(found.since), redact(found.reason)  # A viewer and GET /readyz see the same.
    return {"drained": True, "reason": reason, "by": found.by, "since": since, "until": until}
