"""Authorize every request of an app before its view runs, and audit it afterwards."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, g, request

from ..errors import ApiError, Forbidden, Unauthorized
from ..redaction.log_lines import get_logger
from ..settings import Settings
from .access import is_write, required_role
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
"""WSGI environ key: set if the server did not read the body, because the caller was not authorized."""


class Gate:
    """Authorizes and audits every request of an app.

    Attributes:
        tokens: the valid tokens.
        audit: the audit log.
    """

    def __init__(self, settings: Settings) -> None:
        self.tokens = TokenStore(settings.tokens_file, os.environ, settings.tokens_file_strict)
        self.audit = AuditLog(settings.audit_file)
        self._callers = Callers(self.tokens, settings.trust_loopback, settings.max_access)
        self._hosts = settings.allowed_hosts
        if any("*" in name for name in self._hosts):
            logger.warning(
                "extra_config.internal_api_server_allowed_hosts: `*` matches no name, because otherwise pages of any "
                "site could reach the server; list the names, or write .example.com for all subdomains of example.com"
            )
        self._trust_loopback = settings.trust_loopback
        self._views: dict[str, Callable[..., Any]] = {}

    def guard(self, app: Flask) -> None:
        """Audit the requests of `app`. The app itself calls `check` before any other code, for every path."""
        self._views = app.view_functions
        app.after_request(self.finish)

    def check(self) -> None:
        """Authorize the current request, before its view runs.

        Raises:
            Unauthorized, Forbidden, TooManyRequests: its caller may not call the route (401, 403, 429).
        """
        incoming = request._get_current_object()  # type: ignore[attr-defined]  # Resolve werkzeug's proxy only once.
        state = g.security = RequestState()
        try:
            self._authorize(incoming, state)
        except InvalidToken:
            self._callers.count_failure(incoming.environ)
            raise
        if state.caller is not None and incoming.environ.get(BODY_WITHHELD_KEY):
            raise Forbidden(
                "The server did not read the body of the request, because its caller had no access at that time. "
                "Send the request again."
            )

    def admits(self) -> bool:
        """Return whether the current request has a view that its caller may call. Count and record nothing."""
        state = RequestState()
        try:
            self._authorize(request._get_current_object(), state)  # type: ignore[attr-defined]
        except ApiError:
            return False
        return state.caller is not None

    def _authorize(self, incoming: Request, state: RequestState) -> None:
        environ, method = incoming.environ, incoming.method
        if not environ.get(PUBLIC_KEY):  # Everything on the public listener is public.
            check_host(environ, self._hosts, self._trust_loopback)
        view = self._views[incoming.endpoint] if incoming.endpoint else None
        arguments = incoming.args.to_dict(flat=False) if incoming.query_string else {}
        if view is not None:
            state.writes = is_write(view, method, arguments)
            state.caller = self._callers.identify(environ)
        if state.writes or method not in ("GET", "HEAD"):
            check_origin(environ)
        if view is None or state.caller is None:
            return  # No route matches: the response is 404 or 405.
        required = required_role(view, method, arguments)
        if state.caller.role >= required:
            return
        name, role = state.caller.name, state.caller.role
        if name == "anonymous":
            message = f"Requires role {required}; an anonymous caller has role {role}. {self._callers.hint(environ)}"
            raise Unauthorized(message, headers={"WWW-Authenticate": "Bearer"})
        caller = f"this token ({name})" if self.tokens.in_use else f"this caller ({name})"
        raise Forbidden(f"Requires role {required}; {caller} has role {role}")

    def finish(self, response: Response) -> Response:
        """Audit a request that was refused or that changes something."""
        state: RequestState = g.get("security") or RequestState()
        if state.writes or response.status_code in (401, 403, 429):
            self.audit.record(request, state.caller, response.status_code, state.started)
        return response


class RequestState:
    """The security state of one request.

    Attributes:
        started: the time when it arrived, from `time.perf_counter`.
        writes: whether it changes something.
        caller: the client; None if no route matches.
    """

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.writes = False
        self.caller: Caller | None = None


def seconds_since_arrival() -> float | None:
    """Return how long the current request takes so far, in seconds; None if it was refused before `Gate.check`."""
    state: RequestState | None = g.get("security")
    return None if state is None else time.perf_counter() - state.started


def with_safe_headers(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the response headers with those of `HEADERS` added that are missing."""
    present = {name.lower() for name, _ in headers}
    return [*headers, *(header for name, header in _SAFE if name not in present)]
