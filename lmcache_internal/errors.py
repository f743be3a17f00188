"""The failure tree: every failure that a caller can meet, each with its HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ConfigError(ValueError):
    """A configuration value that cannot be used; the message names key, value and source."""


class ServerStartError(RuntimeError):
    """The server cannot listen; the message says where, why, and what to do."""


class ApiError(Exception):
    """A failure that the client is told about.

    Args:
        message: what was wrong, with the value, and what to do.
        title: the short `error` of the JSON body; the class has a default.
        text: the body for clients that did not ask for JSON, where the contract
            answers in plain text; JSON for everybody when it is None.
        payload: the whole JSON body, where the contract has another shape than
            `{"error", "message"}`.
        headers: further response headers.
    """

    status = 500
    title = "Internal server error"

    def __init__(
        self,
        message: str,
        *,
        title: str | None = None,
        text: str | None = None,
        payload: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.text = text
        self.payload = payload or {"error": title or self.title, "message": message}
        self.headers = dict(headers or {})


class BadRequest(ApiError):
    """The request itself is wrong (400)."""

    status = 400
    title = "Invalid request"


class Unauthorized(ApiError):
    """The caller has not said who it is, or not truly (401)."""

    status = 401
    title = "Unauthorized"


class Forbidden(ApiError):
    """The caller is known, and may not (403)."""

    status = 403
    title = "Forbidden"


class TooManyRequests(ApiError):
    """The caller must wait (429)."""

    status = 429
    title = "Too many requests"


class NotFound(ApiError):
    """The thing named in the request does not exist (404)."""

    status = 404
    title = "Not found"


class Conflict(ApiError):
    """Another change to the engine is under way (409)."""

    status = 409
    title = "Busy"


class EngineFailed(ApiError):
    """The engine, or the code behind an endpoint, raised (500)."""


class NotSupported(ApiError):
    """This engine, or this version of it, lacks what the request needs (501)."""

    status = 501
    title = "Not supported by this engine"


class EngineUnavailable(ApiError):
    """There is no engine, or it lacks the part that the request needs (503)."""

    status = 503
    title = "LMCache API is unavailable"


class Busy(ApiError):
    """Too much of this kind is under way (503); the answer says when to try again."""

    status = 503
    title = "Busy"


class CallTimedOut(ApiError):
    """A call did not return before its deadline; it was left alone or stopped (504)."""

    status = 504
    title = "Timed out"
