"""The one gate of an app: who is asking, from where, and whether they may."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, g, request

from ..errors import ApiError, Forbidden, Unauthorized
from ..log_lines import get_logger
from ..settings import Settings
from .access import is_write, required_access
from .audit import AuditLog
from .browser import check_host, check_origin
from .caller import PUBLIC_KEY, Caller, Callers, InvalidToken
from .tokens import TokenStore

logger = get_logger(__name__)

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "Referrer-Policy": "no-referrer",
}

_SAFE = [(name.lower(), (name, value)) for name, value in HEADERS.items()]


BODY_WITHHELD_KEY = "lmcache_internal.body_withheld"
"""WSGI environ key: set where the body was not read, as the caller may not call the route."""


class Gate:
    """Checks every request of an app before its view, and writes down after it.

    Attributes:
        tokens: the tokens that are valid.
        audit: the audit log.
    """

    def __init__(self, settings: Settings) -> None:
        self.tokens = TokenStore(settings.tokens_file, os.environ, settings.tokens_file_strict)
        self.audit = AuditLog(settings.audit_file)
        self._callers = Callers(self.tokens, settings.trust_loopback, settings.max_access)
        self._hosts = settings.allowed_hosts
        if any("*" in name for name in self._hosts):
            logger.warning(
                "extra_config.internal_api_server_allowed_hosts: `*` matches no name, as pages of any site could reach "
                "the server then; list the names, or write .example.com for all names below example.com"
            )
        self._trust_loopback = settings.trust_loopback
        self._views: dict[str, Callable[..., Any]] = {}

    def guard(self, app: Flask) -> None:
        """Audit the requests of `app`, which calls `check` before anything else runs for one, whatever its path."""
        self._views = app.view_functions
        app.after_request(self.finish)

    def check(self) -> None:
        """Authorize the current request, before its view runs.

        Raises:
            Unauthorized, Forbidden, TooManyRequests: its caller may not call the route (401, 403, 429).
        """
        incoming = request._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy, looked through once.
        visit = g.visit = Visit()
        try:
            self._authorize(incoming, visit)
        except InvalidToken:
            self._callers.count_failure(incoming.environ)
            raise
        if visit.caller is not None and incoming.environ.get(BODY_WITHHELD_KEY):
            raise Forbidden("The body of the request was not read, as its caller had no access then. Send it again.")

    def admits(self) -> bool:
        """Whether the current request has a view that its caller may call; nothing is counted or recorded."""
        visit = Visit()
        try:
            self._authorize(request._get_current_object(), visit)  # type: ignore[attr-defined]
        except ApiError:
            return False
        return visit.caller is not None

    def _authorize(self, incoming: Request, visit: Visit) -> None:
        environ, method = incoming.environ, incoming.method
        if not environ.get(PUBLIC_KEY):  # All that is served there may be read by anybody.
            check_host(environ, self._hosts, self._trust_loopback)
        view = self._views[incoming.endpoint] if incoming.endpoint else None
        arguments = incoming.args.to_dict(flat=False) if incoming.query_string else {}
        if view is not None:
            visit.writes = is_write(view, method, arguments)
            visit.caller = self._callers.identify(environ)
        if visit.writes or method not in ("GET", "HEAD"):
            check_origin(environ)
        if view is None or visit.caller is None:
            return  # There is nothing behind it: a 404 or 405.
        required = required_access(view, method, arguments)
        if visit.caller.level >= required:
            return
        name, role = visit.caller.name, visit.caller.level
        if name == "anonymous":
            message = f"Requires role {required}; an anonymous caller has role {role}. {self._callers.hint(environ)}"
            raise Unauthorized(message, headers={"WWW-Authenticate": "Bearer"})
        caller = f"this token ({name})" if self.tokens.in_use else f"this caller ({name})"
        raise Forbidden(f"Requires role {required}; {caller} has role {role}")

    def finish(self, response: Response) -> Response:
        """Audit what was refused or changed something."""
        visit: Visit = g.get("visit") or Visit()
        if visit.writes or response.status_code in (401, 403, 429):
            self.audit.record(request, visit.caller, response.status_code, visit.started)
        return response


class Visit:
    """What the gate knows of one request.

    Attributes:
        started: when it came in, by the performance counter.
        writes: whether it changes something.
        caller: who sent it; None where there is nothing behind its path.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.writes = False
        self.caller: Caller | None = None


def with_safe_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The headers of an answer, completed by those of `HEADERS` that it has not set itself."""
    present = {name.lower() for name, _ in headers}
    return [*headers, *(header for name, header in _SAFE if name not in present)]
