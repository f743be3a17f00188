"""Forward requests of a rank's page to that rank.

The page and its scripts come from the gateway. A rank provides data only: its responses never run as a script or as a
page in the origin of the gateway, where they could use all other ranks.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, redirect, request
from werkzeug.exceptions import BadGateway
from werkzeug.wrappers import Response as BaseResponse

from ...errors import BadRequest, CallTimedOut, NotFound
from ...security.gate import HEADERS
from ...ui.pages import asset, has_asset, page
from ..answers import Answer
from ..client import Client, Failure
from ..options import ENGINE_SECONDS
from .ranks import Rank
from .state import gateway

MAX_BODY = 16 << 20
"""The largest body of a request to a rank, in bytes."""
SCRIPT_SECONDS = 300.0
"""The timeout of a script. The rank ends it earlier, unless its own timeout is longer."""
_SCRIPT = "run_script"
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"]
_SENT = ("Accept", "Content-Type", "If-Match", "If-None-Match", "Lmcache-Internal-Poll")
_KEPT = ("ETag", "Script-Output", "Retry-After")
_DATA = ("application/json", "application/openmetrics-text", "text/plain")
"""The media types that are passed on. Everything else is passed on as plain text."""
_SESSION = "ui/session"
_EVERY_STATUS = tuple(range(300, 600))

router = Blueprint("proxy", __name__, url_prefix="/rank/<int:number>")


@router.get("/ui")
def rank_page(number: int) -> Response:
    """Show the dashboard of one rank."""
    state = gateway()
    rank = state.rank(number)
    target = rank.target
    return page(
        f"/rank/{number}",
        base=target.address if target.pod else target.url,
        socket=target.socket_path or "",
        token=state.fleet.token is not None,
        fleet=rank.name,
    )


@router.get("/docs")
def rank_docs(number: int) -> BaseResponse:
    """Lead to the rank's own page, because its scripts must not run here."""
    target = gateway().rank(number).target
    if target.socket_path or target.pod:
        raise NotFound(f"A browser cannot open /docs at {target.address}; see /rank/{number}/openapi.json")
    return redirect(f"{target.url}/docs")


@router.route("/<path:path>", methods=_METHODS)
def forward(number: int, path: str) -> Response:
    """Send a request to a rank, and return its response.

    Raises:
        Busy: too many requests to this rank are in progress (503).
        BadGateway: it gave no usable response (502).
        CallTimedOut: it did not answer in time (504).
    """
    state = gateway()
    rank = state.rank(number)
    name = path.removeprefix("ui/")
    if name != path and request.method == "GET" and has_asset(name):
        return asset(name)
    headers = {name: request.headers[name] for name in _SENT if name in request.headers}
    seconds = SCRIPT_SECONDS if path == _SCRIPT else ENGINE_SECONDS
    with state.forward(rank), Client(rank.target, state.fleet.token, seconds) as client:
        try:
            answer = client.request(
                request.method, _target_path(number), _EVERY_STATUS, content=request.get_data(), headers=headers
            )
        except Failure as failure:
            raise _failed(rank, failure) from failure
    return _passed_on(answer, path)


def _target_path(number: int) -> str:
    """Return the path and the query that follow the prefix, as the client encoded them; raises `BadRequest` (400)."""
    prefix = f"/rank/{number}"
    raw = str(request.environ.get("REQUEST_URI", ""))
    if not raw.startswith(f"{prefix}/"):
        raise BadRequest(f"The path must begin with {prefix}/, literally")
    return raw.removeprefix(prefix)


def _failed(rank: Rank, failure: Failure) -> Exception:
    import httpx  # The extra `cli` has it.

    message = f"{rank.name} ({rank.target.address}): {failure}"
    is_late = isinstance(failure.__cause__, httpx.TimeoutException)
    return CallTimedOut(message) if is_late else BadGateway(message)


def _passed_on(answer: Answer, path: str) -> Response:
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    media_type = media_type if media_type in _DATA else "text/plain"
    text = _without_login(answer.text) if path == _SESSION and answer.status == 200 else answer.text
    kept = {name: answer.headers[name] for name in _KEPT if name in answer.headers}
    return Response(text, answer.status, {**HEADERS, **kept, "Content-Type": f"{media_type}; charset=utf-8"})


def _without_login(text: str) -> str:
    """Return the session without a form for tokens, because the gateway adds its own."""
    try:
        session = json.loads(text)
        return json.dumps({**session, "tokens": False})
    except (ValueError, TypeError, RecursionError):
        return text
