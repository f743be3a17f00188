"""Put the errors of the Kubernetes API into words for an operator."""

from __future__ import annotations

import re
from typing import Any

from ..answers import UnusableAnswerError, decode
from ..text import one_line

_DENIED = re.compile(r'cannot (?P<verb>[a-z]+) resource "(?P<resource>[a-z/]+)"')


def explain(error: BaseException, permissions: str, namespace: str) -> str:
    """Return what went wrong, on one line.

    Args:
        error: what the client raised.
        permissions: the permissions that the request needs, such as `list on pods`.
        namespace: the namespace of the request.
    """
    status, body = _response(error)
    if status is None:
        return f"the Kubernetes API cannot be used: {_reason(error)}"
    message = _message(body) or _reason(error)
    if status == 401:
        return f"the Kubernetes API refuses the credentials of the kubeconfig (HTTP 401: {message})"
    if status == 403:
        denied = _DENIED.search(message)
        missing = f"{denied['verb']} on {denied['resource']}" if denied else permissions
        return (
            f"Kubernetes denies this (HTTP 403): your role in namespace {namespace!r} lacks {missing}; "
            f"the command needs {permissions} ({message})"
        )
    if status == 404:
        return f"the pod or namespace no longer exists (HTTP 404: {message})"
    return f"the Kubernetes API responded with HTTP {status}: {message}"


def _response(error: BaseException) -> tuple[int | None, Any]:
    """Return status and body of the response, of whichever library raised the error."""
    each: BaseException | None = error
    while each is not None:
        # ApiException of the client has `status`, WebSocketBadStatusException of its WebSocket library `status_code`.
        status = getattr(each, "status_code", None) or getattr(each, "status", None)
        if isinstance(status, int) and status:
            return status, getattr(each, "resp_body", None) or getattr(each, "body", None)
        each = each.__cause__ or each.__context__
    return None, None


def _message(body: Any) -> str:
    """Return the message of a `Status` object, or the text itself."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body or "")
    try:
        return one_line(str(decode(text, dict[str, Any]).get("message") or text), 500)
    except UnusableAnswerError:
        return one_line(text, 500)


def _reason(error: BaseException) -> str:
    return one_line(str(getattr(error, "reason", None) or error) or type(error).__name__, 500)
