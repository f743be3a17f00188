"""The one gate of an app: who is asking, from where, and whether they may."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, current_app, g, request

from ..errors import Forbidden, Unauthorized
from ..settings import Settings
from .access import is_write, required_access
from .audit import AuditLog
from .browser import check_host, check_origin
from .caller import Caller, Callers
from .tokens import TokenStore

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
}


class Gate:
    """Checks every request of an app before its view, and writes down after it.

    Attributes:
        tokens: the tokens that are valid.
        audit: the audit log.
    """

    def __init__(self, settings: Settings) -> None:
        self.tokens = TokenStore(settings.token_file, os.environ)
        self.audit = AuditLog(settings.audit_file)
        self._callers = Callers(self.tokens, settings.trust_loopback, settings.max_access)
        self._hosts = settings.allowed_hosts
        self._trust_loopback = settings.trust_loopback

    def guard(self, app: Flask) -> None:
        """Stand in front of all of `app`'s routes, whatever their path."""
        app.before_request(self.check)
        app.after_request(self.finish)

    def check(self) -> None:
        """Let a request in.

        Raises:
            Unauthorized, Forbidden: its caller may not (401, 403).
        """
        g.started = time.perf_counter()
        g.writes = False
        check_host(request.environ, self._hosts, self._trust_loopback)
        view = _view_of_request()
        arguments = request.args.to_dict(flat=False)
        if view is not None:
            g.writes = is_write(view, request.method, arguments)
            g.caller = self._callers.identify(request.environ)
        if g.writes or request.method not in ("GET", "HEAD"):
            check_origin(request.environ)
        if view is None:
            return  # There is nothing behind it: a 404 or 405.
        caller: Caller = g.caller
        required = required_access(view, request.method, arguments)
        if caller.level >= required:
            return
        message = f"{request.method} {request.path} needs the level {required}; {caller.name} has {caller.level}."
        if caller.name == "anonymous":
            raise Unauthorized(f"{message} {self._callers.hint}", headers={"WWW-Authenticate": "Bearer"})
        raise Forbidden(message)

    def finish(self, response: Response) -> Response:
        """Set the headers of every answer, and audit what was refused or changed something."""
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if g.get("writes") or response.status_code in (401, 403, 429):
            self.audit.record(request, g.get("caller"), response.status_code, g.get("started", time.perf_counter()))
        return response


def _view_of_request() -> Callable[..., Any] | None:
    return current_app.view_functions[request.endpoint] if request.endpoint else None
