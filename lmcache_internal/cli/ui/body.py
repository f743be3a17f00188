"""Read the JSON body of a request to the gateway."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from flask import request

from ...errors import BadRequest

T = TypeVar("T")


def body_of(kind: type[T]) -> T:
    """Return the body of the current request; raises `BadRequest` if it is another one (400)."""
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"Invalid body: {error}") from error
