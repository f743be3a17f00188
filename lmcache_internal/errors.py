"""The exceptions of the API, each with its HTTP status.

The first line of each docstring is the description of the response in the OpenAPI document.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ConfigError(ValueError):
    """An invalid configuration value; the message names key, value and source."""


class ServerStartError(RuntimeError):
    """The server cannot listen; the message names the address, the reason and what to do."""


CURL_ADVICE = "Send a token: curl"
"""How the advice in a 401 begins. The command line replaces it, because its users do not use curl."""


class ApiError(Exception):
    """An error that is sent to the client.

    Args:
        message: what is wrong, with the value, and what to do.
        title: the short `error` of the JSON body; the class has a default.
        text: the body for clients that do not request JSON, if the contract has plain text;
            None: JSON for all clients.
        payload: the whole JSON body, if it is not `{"error", "message"}`.
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
    """Invalid request (400)."""

    status = 400
    title = "Invalid request"


class Unauthorized(ApiError):
    """Missing or invalid credentials (401)."""

    status = 401
    title = "Unauthorized"


class Forbidden(ApiError):
    """Requires a higher role, or the Host or Origin header is not allowed (403)."""

    status = 403
    title = "Forbidden"


class TooManyRequests(ApiError):
    """Too many requests (429)."""

    status = 429
    title = "Too many requests"


class NotFound(ApiError):
    """Not found (404)."""

    status = 404
    title = "Not found"


class Conflict(ApiError):
    """Another change is in progress (409)."""

    status = 409
    title = "Busy"


class EngineFailed(ApiError):
    """Internal server error (500)."""


class NotSupported(ApiError):
    """Not supported by this engine version (501)."""

    status = 501
    title = "Not supported by this engine"


class EngineUnavailable(ApiError):
    """Engine unavailable (503)."""

    status = 503
    title = "LMCache API is unavailable"


class Busy(ApiError):
    """Concurrency limit reached (503)."""

    status = 503
    title = "Busy"


class CallTimedOut(ApiError):
    """Timeout (504)."""

    status = 504
    title = "Timed out"
