"""The dashboard: a page that shows the state of this engine and changes it."""

from typing import Annotated, TypedDict

from flask import Blueprint, Response, request

from lmcache_internal.api import (
    RECENT_KEY,
    Content,
    NotFound,
    RecentRequest,
    RecentRequests,
    Role,
    caller,
    engine_kind,
    internal_app,
    operation,
    routes_of,
)
from lmcache_internal.ui.pages import asset, page

router = Blueprint("ui", __name__, url_prefix="/ui")
engines = ("in-process", "mp")


class PageLink(TypedDict):
    """A page of a plugin, with the role that it requires."""

    title: str
    path: str
    role: str


class Timeouts(TypedDict):
    """How long the server works on a request, in seconds.

    Attributes:
        call: timeout of a call into the engine.
        script: timeout of a script.
    """

    call: float
    script: float


class Session(TypedDict):
    """What the page shows, and for which caller.

    Attributes:
        role: the role of the caller.
        caller: the name of the caller's token, or the kind of access without one.
        tokens: whether a token can grant a higher role.
        kind: the kind of the engine.
        rank: which process of a deployment this is, such as `worker 0`; empty for callers below viewer.
        timeouts: how long a response can take.
        routes: `METHOD /path` to the role that it requires; empty for callers below viewer.
        pages: the pages of plugins; empty for callers below viewer.
    """

    role: str
    caller: str
    tokens: bool
    kind: str
    rank: str
    timeouts: Timeouts
    routes: dict[str, str]
    pages: list[PageLink]


# Public, because a browser sends no token when it opens a page; page and assets contain no data of the engine.
@router.get("")
@operation(action="show the dashboard", access=Role.PUBLIC, cheap=True)
def dashboard() -> Annotated[Response, Content("text/html")]:
    """Show the dashboard. It asks for a token where one is required."""
    return page(request.script_root)


@router.get("/session")
@operation(action="read the permissions of the caller", access=Role.PUBLIC, cheap=True)
def session() -> Session:
    """Show the role of the caller, and the role that each route requires."""
    app, who = internal_app(), caller()
    may_read = who.role >= Role.VIEWER
    pages = app.extensions["lmcache_internal"].pages
    return {
        "role": str(who.role),
        "caller": who.name,
        "tokens": app.state.gate.tokens.in_use,
        "kind": engine_kind(),
        "rank": _rank() if may_read else "",
        "timeouts": {"call": app.settings.call_timeout, "script": app.settings.script_timeout},
        "routes": {f"{r.method} {r.path}": str(r.access) for r in routes_of(app)} if may_read else {},
        "pages": [{"title": p.title, "path": p.path, "role": str(p.role)} for p in pages] if may_read else [],
    }


def _rank() -> str:
    if engine_kind() == "mp":
        return "MP server"
    found = getattr(internal_app().state.lmcache_adapter, "lmcache_engine_metadata", None)
    if found is None:
        return ""
    return "scheduler" if found.role == "scheduler" else f"worker {found.worker_id}"


@router.get("/requests")
@operation(action="list recent requests", cheap=True)
def recent() -> list[RecentRequest]:
    """List the last 100 requests, slowest first, without the polls of the dashboard."""
    requests: RecentRequests = internal_app().extensions[RECENT_KEY]
    return requests.slowest_first()


@router.get("/<path:name>")
@operation(action="send a part of the dashboard", access=Role.PUBLIC, cheap=True, errors=(NotFound,))
def part(name: str) -> Annotated[Response, Content("text/css", "text/javascript", "image/svg+xml")]:
    """Get an asset of /ui (script, stylesheet, image)."""
    return asset(name)
