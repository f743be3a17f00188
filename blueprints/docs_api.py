"""What this server offers, for programs and for people."""

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
    """The OpenAPI document of this very app, plugins and all."""
    app = internal_app()
    document = document_of(app, app.state.gate.tokens.in_use)
    return document | {"servers": [{"url": request.script_root or "/"}]}


@router.get("/docs")
@operation(action="show the endpoints", cheap=True, errors=(Annotated[Unauthorized, Page],))
def docs() -> Annotated[Response, Page]:
    """The endpoints on a page, to read and, with the extra `docs`, to try."""
    return _page()


# Public, since a page cannot send a token for its parts; they are the same for everybody.
@router.get("/docs/<name>")
@operation(action="send a part of the page", access=Role.PUBLIC, cheap=True, errors=(NotFound,))
def part(name: str) -> Annotated[Response, Content("text/css", "text/javascript", "image/png")]:
    """A script, style or image of /docs."""
    found = asset(name)
    if found is None:
        raise NotFound(f"/docs has no part {name[:100]!r}.")
    content, media_type = found
    return Response(content, content_type=media_type)


@router.after_request
def ask_for_a_token(response: Response) -> Response:
    """Refuse a browser with the page, which asks for the token that a browser does not send by itself."""
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
