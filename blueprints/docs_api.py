"""API documentation: the OpenAPI document and a web page."""

from typing import Annotated, Any

from flask import Blueprint, Response, request

from lmcache_internal.api import Content, NotFound, Role, Unauthorized, internal_app, operation, routes_of
from lmcache_internal.openapi.document import document_of
from lmcache_internal.openapi.pages import POLICY, asset, page, swagger_ui

router = Blueprint("docs", __name__)
engines = ("in-process", "mp")

Page = Content("text/html")


@router.get("/openapi.json")
@operation(action="describe the endpoints", cheap=True)
def openapi() -> dict[str, Any]:
    """Show the OpenAPI document of this app, with its plugins."""
    app = internal_app()
    document = document_of(app, app.state.gate.tokens.in_use)
    return document | {"servers": [{"url": request.script_root or "/"}]}


@router.get("/docs")
@operation(action="show the endpoints", cheap=True, errors=(Annotated[Unauthorized, Page],))
def docs() -> Annotated[Response, Page]:
    """Show the endpoints on a web page.

    With the extra `docs` installed, the page can call them.
    """
    return _page()


# Public, because a browser does not send a token for assets; the assets contain no data of this app.
@router.get("/docs/<name>")
@operation(action="send a part of the page", access=Role.PUBLIC, cheap=True, errors=(NotFound,))
def part(name: str) -> Annotated[Response, Content("text/css", "text/javascript", "image/png")]:
    """Get an asset of /docs (script, stylesheet, image)."""
    found = asset(name)
    if found is None:
        raise NotFound(f"/docs has no asset {name[:100]!r}")
    content, media_type = found
    return Response(content, content_type=media_type)


@router.after_request
def ask_for_a_token(response: Response) -> Response:
    """Send the page with a 401 to a browser, because the page asks for the token."""
    refused = response.status_code == 401 and request.path.rstrip("/") == "/docs"
    if refused and swagger_ui() and "text/html" in request.accept_mimetypes.values():
        shell = _page()
        response.data = shell.data
        response.headers.update(shell.headers)
    return response


def _page() -> Response:
    return Response(
        page(request.script_root, routes_of(internal_app())),
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": POLICY},
    )
