"""Turns every failure of a request into the one error format, `{"error", "message"}`."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Flask, Response, current_app, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from ..conversion import cut, suggestion
from ..errors import ApiError
from ..redaction import redact_trace
from ..redaction.log_lines import get_logger
from ..system.log_queue import divert
from .serialize import respond, wants_json

logger = get_logger(__name__)
logger.addFilter(redact_trace)  # An engine's exception may quote a URL with a password.
logger.addFilter(divert)

_MOST_BELOW = 4
"""How many paths below an unknown one are named."""


def register_error_handlers(app: Flask) -> None:
    """Make `app` respond to every failure with `{"error", "message"}` (or the contract's plain text)."""
    app.register_error_handler(ApiError, api_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def body_too_large(limit: int | None) -> str:
    """Return the message for a request body larger than `limit` bytes."""
    return f"Request body exceeds the limit of {limit} bytes"


def api_error(error: ApiError) -> Response:
    """Return the response for an `ApiError`; log its cause, if it has one."""
    if error.__cause__ is not None:
        logger.error("%s %s: %s", request.method, request.path, error, exc_info=error.__cause__)
    if error.text is not None and not wants_json(request):
        response = respond(error.text, "text", error.status)
    else:
        response = respond(error.payload, "pretty", error.status)
    response.headers.update(error.headers)
    return response


def _http_error(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value]  # A plugin's own abort(response).
    status = error.code or 500
    response = respond({"error": error.name, "message": _explain(error)}, "pretty", status)
    for name, value in error.get_headers():
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    logger.error("%s %s failed", request.method, request.path, exc_info=error)
    body = {"error": "Internal server error", "message": "Unexpected error; see the server's log for details"}
    return respond(body, "pretty", 500)


def _explain(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        root = request.script_root  # The path where the app is mounted.
        known = _builtin_paths()
        hint = _below(request.path, known) or suggestion(request.path, known)
        return f"No endpoint at {root}{cut(request.path)}{hint or ';'} GET {root}/ lists all endpoints"
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"Method {cut(request.method)} is not allowed on {cut(request.path)}; allowed: {allowed}"
    if isinstance(error, RequestEntityTooLarge):
        return body_too_large(request.max_content_length)
    return error.description or error.name


def _below(path: str, known: Iterable[str]) -> str:
    """`; did you mean X or Y?` for the paths below `path`; empty if there are none."""
    paths = sorted(each for each in known if each.startswith(f"{path.rstrip('/')}/")) if path.strip("/") else []
    return f"; did you mean {' or '.join(paths[:_MOST_BELOW])}?" if paths else ""


def _builtin_paths() -> set[str]:
    """Return the public paths; paths of plugins are shown only to callers with the required role."""
    views = current_app.view_functions
    return {
        rule.rule
        for rule in current_app.url_map.iter_rules()
        if getattr(views[rule.endpoint], "__module__", "").startswith("lmcache_internal.blueprints.")
    }
