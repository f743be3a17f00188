"""Entity tags, and the conditions that name them (RFC 9110, section 13): change only what you have seen."""

from __future__ import annotations

import hmac
import re
import secrets
from typing import Any

from flask import Response, request

from ..errors import ApiError
from .serialize import Media, respond

# Anew in each process: whoever sees a tag cannot try out what the secrets in its content may be.
_KEY = secrets.token_bytes(32)

_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


class PreconditionFailed(ApiError):
    """What is there is not what the client says it has seen (412)."""

    status = 412
    title = "Precondition failed"


def entity_tag(content: Any) -> str:
    """The strong entity tag of `content`, quotes included; equal content of one process has equal tags."""
    digest = hmac.new(_KEY, repr(content).encode("utf-8", "backslashreplace"), "sha256")
    return f'"{digest.hexdigest()[:32]}"'


def require_match(tag: str) -> None:
    """Hold the request's `If-Match`, if it has one, against the tag of what is there.

    Raises:
        PreconditionFailed: it names another, or only weak ones (412).
    """
    wanted = request.headers.get("If-Match")
    if wanted is None or wanted.strip() == "*" or tag in _tags(wanted):
        return
    raise PreconditionFailed(
        f"The content has another entity tag than If-Match: {wanted[:100]}; read it again and look at what changed."
    )


def tagged(data: Any, media: Media, tag: str) -> Response:
    """The response for `data`, with its `ETag`; 304 without it where a reader's `If-None-Match` names the tag."""
    known = request.headers.get("If-None-Match")
    seen = known is not None and (known.strip() == "*" or tag in [name.removeprefix("W/") for name in _tags(known)])
    reading = request.method in ("GET", "HEAD")
    response = respond("", "text", 304) if seen and reading else respond(data, media)
    response.headers["ETag"] = tag
    return response


def _tags(field: str) -> list[str]:
    """The entity tags of a header field, `W/` included; none where it is no list of them."""
    return [] if _TAG.sub("", field).strip(" \t,") else _TAG.findall(field)
