"""Serializes data to a response, in the four formats of the HTTP contract."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from flask import Request, Response
from werkzeug.wsgi import ClosingIterator

from ..conversion import as_json

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

Media = Literal["json", "pretty", "text", "text-json"]
"""The format of a response: compact JSON, JSON with a 2-space indent, plain text, or
indented JSON with the media type text/plain (as LMCache sends /conf, /meta and /env)."""

_TEXT = "text/plain; charset=utf-8"
_JSON = "application/json"
MEDIA_TYPES: dict[Media, str] = {"json": _JSON, "pretty": _JSON, "text": _TEXT, "text-json": _TEXT}


class Answer(Response):
    """A complete response, which skips werkzeug's processing before it is sent."""

    _is_awaited = False

    def call_on_close(self, func: Callable[[], Any]) -> Callable[[], Any]:
        """Call `func` after the response is sent."""
        self._is_awaited = True
        return super().call_on_close(func)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Send the response."""
        if self.status_code != 200 or environ["REQUEST_METHOD"] == "HEAD" or "Location" in self.headers:
            return super().__call__(environ, start_response)
        start_response(self.status, self.headers.to_wsgi_list())
        return ClosingIterator(self.iter_encoded(), self.close) if self._is_awaited else self.iter_encoded()


def encode_json(data: Any, indent: int = 0) -> bytes:
    r"""Encode `data` as valid JSON in UTF-8.

    Args:
        data: what to encode; objects without a JSON form become their `str()`.
        indent: spaces per level; 0 for compact JSON.

    Returns:
        The document. NaN and infinities become null, because JSON has none; bytes that are not UTF-8
        (such as an environment variable in another encoding) become `\udcXX` escapes.
    """
    try:
        encoded = msgspec.json.encode(data, enc_hook=str)
    except (UnicodeEncodeError, TypeError):
        return json.dumps(as_json(data), indent=indent or None).encode()
    return msgspec.json.format(encoded, indent=indent) if indent else encoded


def respond(data: Any, media: Media, status: int = 200) -> Response:
    """Return the response for `data`; for `media="text"`, `data` is a `str`."""
    if media == "text":
        body = str(data).encode("utf-8", "backslashreplace")
    else:
        body = encode_json(data, indent=0 if media == "json" else 2)
    return Answer(body, status, content_type=MEDIA_TYPES[media])


def wants_json(request: Request) -> bool:
    """Whether the client accepts JSON by name, as opposed to curl's `*/*`."""
    accepted = request.accept_mimetypes
    return "application/json" in accepted.values() and accepted["application/json"] >= accepted["text/plain"]
