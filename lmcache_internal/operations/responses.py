"""Lists the responses of an operation from its declaration, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, TypedDict, get_args, get_origin

from flask import Response
from msgspec import Struct

from ..errors import (
    ApiError,
    BadRequest,
    Busy,
    CallTimedOut,
    Conflict,
    EngineFailed,
    EngineUnavailable,
    Forbidden,
    NotSupported,
    TooManyRequests,
    Unauthorized,
)
from ..limits.concurrency import LimitName
from ..roles import Role
from .arguments import Argument, Upload
from .docstrings import text_of
from .etags import PreconditionFailed
from .serialize import MEDIA_TYPES, Media


class Error(TypedDict):
    """An error, with the invalid value and what to do."""

    error: str
    message: str


class BareError(TypedDict):
    """An error without a message, as some of LMCache's own are."""

    error: str


class Content:
    """The media types of a view's own `Response`, as in `Annotated[Response, Content("text/html")]`.

    Args:
        media_types: as in `Content-Type`, without parameters.
    """

    def __init__(self, *media_types: str) -> None:
        self.media_types = media_types


class Answer(Struct, frozen=True):
    """One possible response of an operation.

    Attributes:
        status: its HTTP status.
        description: its description in the OpenAPI document.
        name: its name if several operations share it; empty if it is specific to one.
        content: media type to the type of the body; plain text of a type other than `str` is its JSON.
        headers: names of its headers.
    """

    status: int
    description: str
    name: str = ""
    content: Mapping[str, Any] = {}
    headers: Sequence[str] = ()


_JSON, _TEXT = "application/json", "text/plain"
_HEADERS: dict[type[ApiError], Sequence[str]] = {
    Busy: ["Retry-After"],
    TooManyRequests: ["Retry-After"],
    Unauthorized: ["WWW-Authenticate"],
}
_TOO_LARGE = Answer(413, "Request body too large", "TooLarge", {_JSON: Error})


def success(returns: Any, media: Media, has_text: bool, failures: Iterable[Answer], status: int = 200) -> Answer:
    """Return the response on success.

    Args:
        returns: the return annotation; `Annotated[Response, Shape]` if the view makes its own response.
        media: the format of the response.
        has_text: whether clients that do not request JSON get plain text.
        failures: the other responses; with a 412 among them, the success has an `ETag`.
        status: the HTTP status on success.
    """
    base, *about = get_args(returns) if get_origin(returns) is Annotated else (returns,)
    headers = ["ETag"] if any(answer.status == PreconditionFailed.status for answer in failures) else []
    content: Mapping[str, Any] = {MEDIA_TYPES[media].partition(";")[0]: returns} | ({_TEXT: str} if has_text else {})
    if isinstance(base, type) and issubclass(base, Response):
        content = _content(about[0] if about else Content(), content)
    return Answer(status, "Success", "", content, headers)


def failures(
    arguments: Sequence[Argument], *, cheap: bool, exclusive: bool, limit: LimitName | None, errors: Iterable[Any]
) -> list[Answer]:
    """Return the responses on failure; the parameters are those of `operation`."""
    kinds: list[Any] = [*errors, EngineFailed]
    if arguments:
        kinds.append(BadRequest)
    if any(argument.takes_json for argument in arguments):
        kinds.append(Annotated[BadRequest, BareError])
    if any(argument.bare is Upload for argument in arguments):
        kinds.append(Annotated[BadRequest, str])
    if exclusive:
        kinds.append(Conflict)
    if not cheap:
        kinds += [EngineUnavailable, NotSupported, CallTimedOut]
    if limit or not cheap:
        kinds.append(Busy)
    takes_body = any(argument.is_body for argument in arguments)
    return [failure(kind) for kind in kinds] + ([_TOO_LARGE] if takes_body else [])


def gate_answers(access: Role, tokens_in_use: bool) -> list[Answer]:
    """Return the responses of the authorization gate, which precedes the operation."""
    kinds: list[Any] = [Forbidden]
    if access > Role.PUBLIC or tokens_in_use:
        kinds.append(Unauthorized)
    if tokens_in_use:
        kinds.append(TooManyRequests)
    return [failure(kind) for kind in kinds]


@cache
def failure(kind: Any) -> Answer:
    """Return the response for an `ApiError`; in `Annotated[BadRequest, Shape]`, the body is a `Shape` (`str`: text)."""
    error, *shapes = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    content: dict[str, Any] = {_JSON: Error}
    for shape in shapes:
        content |= _content(shape, [_TEXT if shape is str else _JSON])
    description = text_of(error.__doc__).replace(f" ({error.status})", "").removesuffix(".")
    return Answer(error.status, description, "" if shapes else error.__name__, content, _HEADERS.get(error, ()))


def _content(shape: Any, media_types: Iterable[str]) -> dict[str, Any]:
    """Return media type to type; a `Content` has its own media types."""
    if isinstance(shape, Content):
        return dict.fromkeys(shape.media_types, str)
    return dict.fromkeys(media_types, shape)
