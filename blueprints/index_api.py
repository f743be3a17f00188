"""List of the endpoints."""

import shlex
from typing import TypedDict
from urllib.parse import quote

from flask import Blueprint, Response, request
from werkzeug.urls import uri_to_iri

from lmcache_internal.api import ADDRESS_KEY, Route, Upload, internal_app, operation, routes_of
from lmcache_internal.ui.pages import redirect_to_page

router = Blueprint("index", __name__)


class Endpoint(TypedDict):
    """One method of one path.

    Attributes:
        access: the required role.
        curl: a curl command; replace each … with a value.
    """

    method: str
    path: str
    access: str
    summary: str
    curl: str


def _as_text(routes: list[Endpoint]) -> str:
    blocks = [
        f"{route['method']:<6} {route['path']}  ({route['access']})\n"
        f"       {route['summary']}\n"
        f"       {route['curl']}\n"
        for route in routes
    ]
    return "LMCache internal API\n\n" + "\n".join(blocks)


@router.get("/")
@operation(action="list the endpoints", as_text=_as_text, cheap=True)
def list_endpoints() -> list[Endpoint]:
    """List endpoints with summaries and curl commands."""
    return [
        {
            "method": route.method,
            "path": route.path,
            "access": str(route.access),
            "summary": route.summary,
            "curl": _curl(route),
        }
        for route in routes_of(internal_app())
    ]


def _curl(route: Route) -> str:
    address = request.environ.get(ADDRESS_KEY)
    words = ["curl"]
    # Not `root_url`, which fails for a host such as `xn--a`.
    base = f"{request.scheme}://{request.host}{uri_to_iri(quote(request.script_root))}"
    if address is not None and address.socket_path:
        words += ["--unix-socket", shlex.quote(address.socket_path)]
        base = address.url
    if route.method != "GET":
        words += ["-X", route.method]
    query = []
    for argument in route.arguments:
        if argument.takes_json:
            words += ["-d", "'{…}'"]
        elif argument.bare is Upload:
            words += ["-F", f"{argument.name}=@FILE"]
        elif argument.required and argument.name not in route.rule.arguments:
            query.append(f"{argument.name}=…")
    url = f"{base}{route.path}"
    return " ".join([*words, f"'{url}?{'&'.join(query)}'" if query else url])


@router.after_request
def lead_browsers_to_the_dashboard(response: Response) -> Response:
    """Redirect a browser from / to the dashboard, also with a 401, because the dashboard asks for the token."""
    if request.method == "GET" and request.accept_mimetypes.best == "text/html" and response.status_code in (200, 401):
        return redirect_to_page()
    return response
