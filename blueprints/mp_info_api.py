"""Whether an MP server is there, and the state of its parts."""

from typing import Annotated, Any, Literal, TypedDict

from flask import Blueprint, Response, request

from lmcache_internal.api import (
    Content,
    EngineUnavailable,
    Role,
    caller,
    carry_detail,
    internal_app,
    mp_engine,
    operation,
    redact,
    respond,
    routes_of,
)
from lmcache_internal.ui.pages import redirect_to_page

router = Blueprint("mp_info", __name__)
engines = ("mp",)
carry_detail(router, EngineUnavailable)


class Service(TypedDict):
    """That the server is there."""

    status: Literal["ok"]
    service: str


class Healthy(TypedDict):
    """That the server has its engine."""

    status: Literal["healthy"]


class Unhealthy(TypedDict):
    """Why the server is not ready."""

    status: Literal["unhealthy"]
    reason: str
    error: str
    message: str


@router.get("/")
@operation(action="report that the server is there", access=Role.PUBLIC, cheap=True)
def root() -> Annotated[Response, Service, Content("text/plain")]:
    """Report that the server is there. Browsers are led to the dashboard; viewers that ask for text get a list."""
    # LMCache's clients and probes ask for `*/*`; browsers and people name a text format.
    best = request.accept_mimetypes.best
    if best == "text/html":
        return redirect_to_page()
    if best == "text/plain" and caller().role >= Role.VIEWER:
        return respond(_listing(), "text")
    return respond(Service(status="ok", service="LMCache HTTP API"), "json")


@router.get("/healthcheck")
@operation(
    action="check the server",
    access=Role.PUBLIC,
    cheap=True,
    inline=True,
    errors=(Annotated[EngineUnavailable, Unhealthy],),
)
def healthcheck() -> Healthy:
    """Check that the server has its engine; GET /readyz checks the engine itself."""
    try:
        mp_engine()
    except EngineUnavailable as error:
        error.payload = {"status": "unhealthy", "reason": str(error), **error.payload}
        raise
    return {"status": "healthy"}


@router.get("/status")
@operation(action="get the status")
def status() -> dict[str, Any]:
    """Return the state of L1, L2, the controllers, the workers and the sessions."""
    found: dict[str, Any] = redact(mp_engine().report_status())
    return found


def _listing() -> str:
    lines = [
        f"{route.method:<6} {route.path}  ({route.access})\n       {route.summary}\n"
        for route in routes_of(internal_app())
    ]
    return "The HTTP API of this LMCache MP server\n\n" + "\n".join(lines)
