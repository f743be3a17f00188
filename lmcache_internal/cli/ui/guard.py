"""Authorize the requests to the gateway: Host, Origin and session, before any view runs.

The gateway adds the operator's token to what it forwards. So it must refuse other users of the machine, pages of other
sites, and names that DNS points at loopback.
"""

from __future__ import annotations

import html

from flask import Blueprint, Flask, Response, current_app, request

from ...errors import Forbidden, Unauthorized
from ...security.browser import check_host, check_origin
from ...security.gate import with_safe_headers
from ...settings.address import ADDRESS_KEY, Address
from .login import Login

COOKIE = "lmcache-internal-ui"
HOST = "127.0.0.1"
LOGIN_KEY = "lmcache_internal.ui.login"
_LOGIN_PATH = "/login"
_HINT = "Open the login link that `lmcache-internal ui` has printed last."

router = Blueprint("login", __name__)


def guard(app: Flask, login: Login, port: int) -> None:
    """Refuse requests without a session, from other sites, or with another Host; see `check`.

    Args:
        app: the gateway.
        login: its links and sessions.
        port: its port, which is part of the cookie's name because browsers share cookies between ports.
    """
    app.extensions[LOGIN_KEY] = login
    app.config["COOKIE"] = f"{COOKIE}-{port}"
    app.config["ADDRESS"] = Address(0, HOST, port)
    app.before_request(_check)
    app.after_request(_with_headers)
    app.register_blueprint(router)


def _check() -> None:
    """Authorize the current request.

    Raises:
        Forbidden: the Host is not loopback, or a page of another site sent the request (403).
        Unauthorized: the request has no session (401).
    """
    environ = request.environ
    try:
        check_host({**environ, ADDRESS_KEY: current_app.config["ADDRESS"]}, ())
    except Forbidden as error:
        raise Forbidden("The Host is not a name of this gateway; use the address that it has printed.") from error
    if request.path == _LOGIN_PATH:
        return  # A link may be clicked in a terminal that is a web page. Its token is the authorization.
    # Reads too: pages on other ports of loopback are of the same site, so that a browser sends them the cookie.
    check_origin(environ)
    login: Login = current_app.extensions[LOGIN_KEY]
    if not login.admits(request.cookies.get(current_app.config["COOKIE"], "")):
        raise Unauthorized(f"This request has no session. {_HINT}")


@router.get(_LOGIN_PATH)
def log_in() -> Response:
    """Exchange the token of a login link for a session cookie.

    Raises:
        Forbidden: the link was used before, or is wrong (403).
    """
    login: Login = current_app.extensions[LOGIN_KEY]
    # HEAD is for previews, which must not use up the link.
    session = login.exchange(request.args.get("token", "")) if request.method == "GET" else None
    if session is None:
        raise Forbidden(f"This login link was used before, or is wrong. {_HINT}")
    # Not a redirect: a browser that came from another site would not send a SameSite=Strict cookie with it.
    response = Response(
        '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url=/"><title>LMCache</title>'
        '<p><a href="/">Continue</a>',
        content_type="text/html; charset=utf-8",
    )
    response.set_cookie(current_app.config["COOKIE"], session, httponly=True, samesite="Strict", path="/")
    return response


def refusal_page(message: str) -> str:
    """Return the page that a browser shows for a refused navigation."""
    return f'<!doctype html><meta charset="utf-8"><title>LMCache</title><h1>Refused</h1><p>{html.escape(message)}'


def _with_headers(response: Response) -> Response:
    headers = with_safe_headers([*response.headers.items()])
    response.headers.clear()
    for name, value in headers:
        response.headers.add(name, value)
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
