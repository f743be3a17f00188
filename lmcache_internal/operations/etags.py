"""Entity tags and conditional requests (RFC 9110, section 13), so that a client changes only what it has read."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any

from flask import Response, request

from ..errors import ApiError
from .serialize import Media, respond

# Random per process, so that a tag cannot be used to guess the secrets in its content.
_KEY = secrets.token_bytes(32)

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class PreconditionFailed(ApiError):
    """ETag mismatch (412)."""

    status = 412
    title = "Precondition failed"


def entity_tag(content: Any) -> str:
    """Return the strong entity tag of `content`, with quotes; within a process, equal content has equal tags."""
    digest = hmac.new(_KEY, repr(content).encode("utf-8", "backslashreplace"), "sha256")
    return f'"{digest.hexdigest()[:32]}"'


def require_match(tag: str) -> None:
    """Compare the request's `If-Match`, if any, with the current tag.

    Raises:
        PreconditionFailed: the header does not contain the tag, or only a weak form of it (412).
    """
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*" or tag in _tags(wanted):
        return
    raise PreconditionFailed(
        f"ETag mismatch: If-Match is {wanted[:100]}, but the content has changed; read it again and retry"
    )


def tagged(data: Any, media: Media, tag: str) -> Response:
    """Return the response for `data` with its `ETag`; 304 without a body if `If-None-Match` of a GET has the tag."""
    known = request.headers.get("If-None-Match")
    seen = known is not None and (known.strip() == "*" or tag in [name.removeprefix("W/") for name in _tags(known)])
    reading = request.method in ("GET", "HEAD")
    response = respond("", "text", 304) if seen and reading else respond(data, media)
    response.headers["ETag"] = tag
    return response


def _tags(field: str) -> list[str]:
    """Return the entity tags of a header, with `W/`; empty if the header is malformed."""
    return [] if _TAG.sub("", field).strip(" \t,") else _TAG.findall(field)
