"""@operation: what an endpoint declares about itself, and the gate that acts on it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from flask import Response, request
from werkzeug.exceptions import HTTPException

from .arguments import arguments_of
from .errors import ApiError, EngineFailed
from .redaction import redact
from .serialize import Media, respond, wants_json

View = Callable[..., Response]


def operation(
    *, doing: str, media: Media = "json", as_text: Callable[[Any], str] | None = None
) -> Callable[[Callable[..., Any]], View]:
    """Turn a function that returns data or raises into a Flask view.

    The function's signature is the schema of its arguments: a parameter is a query (or path)
    parameter of that name and type, a `JsonBody` the JSON body, an `Upload` a multipart file.

    Args:
        doing: what the endpoint does, as it completes "Failed to …" (HTTP 500).
        media: the form of the answer, see `serialize.Media`.
        as_text: makes plain text of the data, for clients that did not ask for JSON by name.

    Returns:
        A decorator. The view it makes answers 400 for arguments that do not fit, the status
        of any `ApiError` that the function raises, and 500 for any other exception.
    """

    def decorate(function: Callable[..., Any]) -> View:
        arguments = arguments_of(function)

        @functools.wraps(function)
        def view(**path_values: Any) -> Response:
            values = {argument.name: argument.read(request, path_values) for argument in arguments}
            try:
                data = function(**values)
            except (ApiError, HTTPException):
                raise
            except Exception as error:  # An engine may raise anything; here, and only here, it gets its status.
                reason = redact(str(error)) or type(error).__name__
                raise EngineFailed(reason, title=f"Failed to {doing}") from error
            if isinstance(data, Response):
                return data
            if as_text is not None and not wants_json(request):
                return respond(as_text(data), "text")
            return respond(data, media)

        view.arguments = arguments  # type: ignore[attr-defined]  # For the documents made of it.
        return view

    return decorate
