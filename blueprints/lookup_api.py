"""Lookup client of a scheduler, lookup server of a worker."""

from collections.abc import Callable
from typing import Annotated, Any, TypedDict

from flask import Blueprint

from lmcache_internal.api import BadRequest, EngineUnavailable, Role, adapter, operation

router = Blueprint("lookup", __name__, url_prefix="/lookup")

_SIDE = {"scheduler": "client", "worker": "server"}


class LookupInfo(TypedDict):
    """Classes of the lookup client and server; `None` if absent."""

    client: str
    server: str


class Changed(TypedDict, total=False):
    """Class of the client or server before and after; `error` if the change failed."""

    old: str
    new: str
    dryrun: bool
    error: str


class LookupChanged(Changed):
    """Class of the client or server before and after, and the role of the engine."""

    role: str


Impossible = Annotated[BadRequest, LookupChanged]


@router.get("/info")
@operation(action="get the lookup info", media="pretty")
def info() -> LookupInfo:
    """Show the lookup client and server."""
    answer: LookupInfo = _method("get_lookup_info")()
    return answer


@router.post("/close")
@operation(
    action="close the lookup", access=Role.ADMIN, media="pretty", exclusive=True, errors=(BadRequest, Impossible)
)
def close() -> LookupChanged:
    """Close the lookup client (scheduler) or server (worker)."""
    return _answer(_method(f"close_lookup_{_side()}")())


@router.post("/create")
@operation(action="create the lookup", access=Role.ADMIN, media="pretty", exclusive=True, errors=(Impossible,))
def create(dryrun: bool = False) -> LookupChanged:
    """Create the lookup client or server; with `dryrun`, only show its class."""
    return _answer(_method(f"create_lookup_{_side()}")(dryrun=dryrun))


@router.post("/recreate")
@operation(
    action="recreate the lookup", access=Role.ADMIN, media="pretty", exclusive=True, errors=(BadRequest, Impossible)
)
def recreate() -> LookupChanged:
    """Close the lookup client or server and create it again."""
    return _answer(_method(f"recreate_lookup_{_side()}")())


def _side() -> str:
    if (role := _role()) not in _SIDE:
        message = f"The engine's role is {role!r}; expected scheduler or worker"
        raise BadRequest(message, title="Unknown role")
    return _SIDE[role]


def _role() -> str | None:
    manager = adapter()
    # In LMCache 0.3, the manager has the role.
    holders = (getattr(manager, "lmcache_engine_metadata", None), manager)
    roles = (getattr(holder, "role", None) for holder in holders)
    return next((role for role in roles if isinstance(role, str)), None)


def _method(name: str) -> Callable[..., Any]:
    method: Callable[..., Any] | None = getattr(adapter(), name, None)
    if method is None:
        raise EngineUnavailable(f"The engine's manager has no {name}", title="API unavailable")
    return method


def _answer(result: Changed) -> LookupChanged:
    answer: LookupChanged = {**result, "role": str(_role())}
    if "error" in result:
        raise BadRequest(str(result["error"]), payload=answer)
    return answer
