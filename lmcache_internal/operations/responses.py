"""What an operation may answer, as its declaration tells: for the documents made of it."""

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
    """What was wrong, with the value, and what to do."""

    error: str
    message: str


class BareError(TypedDict):
    """What was wrong; some of LMCache's own errors say no more."""

    error: str


class Content:
    """What a `Response` that a view makes itself holds, as in `Annotated[Response, Content("text/html")]`.

    Args:
        media_types: as the `Content-Type` names them, without parameters.
    """

    def __init__(self, *media_types: str) -> None:
        self.media_types = media_types


class Answer(Struct, frozen=True):
    """One way in which an operation ends.

    Attributes:
        status: its HTTP status.
        description: when it ends so.
        name: the same for all that end so; empty where it is an operation's own.
        content: media type to the type of the body; plain text of another type than `str` is its JSON.
        headers: names of the headers that go with it.
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
_TOO_LARGE = Answer(413, "The request's body is too large.", "TooLarge", {_JSON: Error})


def success(returns: Any, media: Media, has_text: bool, failures: Iterable[Answer]) -> Answer:
    """How an operation ends that fails in none of the ways.

    Args:
        returns: its return annotation; `Annotated[Response, Shape]` where it sends a `Shape` by itself.
        media: how it is sent.
        has_text: whether clients get plain text that did not ask for JSON.
        failures: what happens else: what holds the request against an entity tag sends one.
    """
    base, *about = get_args(returns) if get_origin(returns) is Annotated else (returns,)
    headers = ["ETag"] if any(answer.status == PreconditionFailed.status for answer in failures) else []
    content: Mapping[str, Any] = {MEDIA_TYPES[media].partition(";")[0]: returns} | ({_TEXT: str} if has_text else {})
    if isinstance(base, type) and issubclass(base, Response):
        content = _content(about[0] if about else Content(), content)
    return Answer(200, "It is done.", "", content, headers)


def failures(
    arguments: Sequence[Argument], *, cheap: bool, exclusive: bool, limit: LimitName | None, errors: Iterable[Any]
) -> list[Answer]:
    """How an operation may fail; the parameters are those of `operation`."""
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
    """How the gate may turn a caller away before the operation."""
    kinds: list[Any] = [Forbidden]
    if access > Role.PUBLIC or tokens_in_use:
        kinds.append(Unauthorized)
    if tokens_in_use:
        kinds.append(TooManyRequests)
    return [failure(kind) for kind in kinds]


@cache
def failure(kind: Any) -> Answer:
    """How an `ApiError` is answered; `Annotated[BadRequest, Shape]` where its body is a `Shape`, `str` for text."""
    error, *shapes = get_args(kind) if get_origin(kind) is Annotated else (kind,)
    content: dict[str, Any] = {_JSON: Error}
    for shape in shapes:
        content |= _content(shape, [_TEXT if shape is str else _JSON])
    description = text_of(error.__doc__).replace(f" ({error.status})", "")
    return Answer(error.status, description, "" if shapes else error.__name__, content, _HEADERS.get(error, ()))


def _content(shape: Any, media_types: Iterable[str]) -> dict[str, Any]:
    """Media type to type; those of a `Content` are its own."""
    if isinstance(shape, Content):
        return dict.fromkeys(shape.media_types, str)
    return dict.fromkeys(media_types, shape)
