"""The `@operation` decorator: an endpoint declares its properties, and the decorator enforces them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NoReturn, cast

from flask import Request, Response, current_app, request
from werkzeug.exceptions import HTTPException

from ..conversion import cut
from ..engine.protocols import is_engine_attribute
from ..errors import ApiError, EngineFailed, NotSupported
from ..limits.change_lock import change_lock_of
from ..limits.concurrency import LimitName
from ..limits.timeouts import call_within
from ..redaction import redact
from ..roles import Role
from ..settings import LARGE_BODY_BYTES, MAX_BODY_BYTES, PUBLIC_BODY_BYTES
from .arguments import signature_of
from .option_check import check_options
from .responses import failures, success
from .serialize import Media, respond, wants_json
from .undeclared import refuse_undeclared

if TYPE_CHECKING:
    from ..app import InternalApp

View = Callable[..., Response]

MAX_MESSAGE = 2000
"""Characters of an engine's message that an error quotes."""


def operation(
    *called_without_parentheses: NoReturn,
    action: str = "",
    media: Media = "json",
    status: int = 200,
    as_text: Callable[[Any], str] | None = None,
    access: Role | None = None,
    write_parameter: str | None = None,
    strict: bool = False,
    cheap: bool = False,
    inline: bool = False,
    exclusive: bool = False,
    large_body: bool = False,
    limit: LimitName | None = None,
    timeout: float | None = None,
    errors: Iterable[Any] = (),
) -> Callable[[Callable[..., Any]], View]:
    """Turn a function that returns data or raises into a Flask view.

    The function's signature declares the arguments: each parameter is a query (or path) parameter of that name
    and type, a `JsonBody` or `Struct` is the JSON body, an `Upload` is a multipart file.

    Args:
        called_without_parentheses: always empty; `@operation` without parentheses raises `TypeError`.
        action: what the endpoint does; completes "Failed to …" (500).
        media: the format of the response, see `serialize.Media`.
        status: the HTTP status on success.
        as_text: converts the data to plain text, for clients that do not request JSON by name.
        access: the role that is required; by default viewer for GET and admin for other methods.
        write_parameter: the argument that makes a GET a write, which requires role operator.
        strict: a body or a query parameter that it does not declare gets 400. LMCache's own endpoints ignore both.
        cheap: it does not block, or has its own timeout: it runs without timeout and concurrency limit (in a
            plugin, with the timeout of a plain Flask view).
        inline: it only reads memory, in less than 2 ms, and waits for no lock of the engine. The event loop runs it
            without timeout or limit, and all other clients wait meanwhile; see `serving/inline.py`.
        exclusive: it changes the engine: such operations run one at a time per engine, and one that waits too long
            for another gets 409.
        large_body: its body may have 8 MiB (`LARGE_BODY_BYTES`) instead of 1 MiB; not for public endpoints, which have
            16 KiB (`PUBLIC_BODY_BYTES`) if they read no body.
        limit: the concurrency limit it shares, see `concurrency.LIMITS` (503); "engine" by default, none if cheap.
        timeout: in seconds (504); `internal_api_server_call_timeout` by default.
        errors: errors that the other parameters do not imply, for the OpenAPI document: `(NotFound,)`, or
            `Annotated[NotFound, Shape]` if the body is a `Shape`, with `str` for plain text.

    Returns:
        A decorator. Its view responds with 400 to invalid arguments, with the status of an `ApiError` that the
        function raises, with 501 if the engine lacks a called method, and with 500 for any other exception.

    Raises:
        TypeError: an option has a wrong value or has no effect, or no request can match the function's signature.
    """
    if called_without_parentheses or not (isinstance(action, str) and action):
        raise TypeError('write @operation(action="…"), with parentheses; the action completes "Failed to …"')
    check_options(access, cheap=cheap, exclusive=exclusive, large_body=large_body, timeout=timeout, errors=errors)

    def decorate(function: Callable[..., Any]) -> View:
        arguments, returns = signature_of(function)
        failing = failures(arguments, cheap=cheap, exclusive=exclusive, limit=limit, errors=errors)
        answers = [success(returns, media, as_text is not None, failing, status), *failing]
        own_limit: LimitName | None = limit or (None if cheap else "engine")

        @functools.wraps(function)
        def view(**path_values: Any) -> Response:
            incoming = cast("Request", request._get_current_object())  # type: ignore[attr-defined]  # werkzeug's proxy.
            if strict:
                refuse_undeclared(incoming, arguments)
            values = {argument.parameter: argument.read(incoming, path_values) for argument in arguments}
            call = functools.partial(function, **values)
            if not cheap:
                call = functools.partial(_guarded, action, call, exclusive, timeout)
            with _limited(action, own_limit):
                data = _attempt(action, call)
            if isinstance(data, Response):
                return data
            if as_text is not None and not wants_json(incoming):
                return respond(as_text(data), "text")
            return respond(data, media, status)

        # For the authorization gate and the OpenAPI document.
        vars(view).update(
            arguments=arguments, access=access, write_parameter=write_parameter, answers=answers, inline=inline
        )
        vars(view).update(limit=own_limit, cheap=cheap)  # For the bulkheads of plugins.
        reads_body = access != Role.PUBLIC or any(argument.is_body for argument in arguments)
        limit_of_body = LARGE_BODY_BYTES if large_body else MAX_BODY_BYTES if reads_body else PUBLIC_BODY_BYTES
        vars(view).update(max_body=limit_of_body)  # For the app and its server.
        return view

    return decorate


def _limited(action: str, limit: LimitName | None) -> AbstractContextManager[None]:
    return contextlib.nullcontext() if limit is None else cast("InternalApp", current_app).limits[limit].hold(action)


def _guarded(action: str, call: Callable[[], Any], exclusive: bool, timeout: float | None) -> Any:
    app = cast("InternalApp", current_app)
    adapter = getattr(app.state, "lmcache_adapter", None)
    if timeout is None:
        timeout = app.call_timeout
    with change_lock_of(adapter).hold(action) if exclusive and adapter is not None else contextlib.nullcontext():
        return call_within(action, call, timeout)


def _attempt(action: str, call: Callable[[], Any]) -> Any:
    try:
        return call()
    except (ApiError, HTTPException):
        raise
    except AttributeError as error:
        if error.obj is not None and is_engine_attribute(error.name):
            raise NotSupported(
                f"{type(error.obj).__name__} has no {error.name} in this engine version; LMCache 0.5.6 has it",
            ) from error
        raise _failed(action, error) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # An engine may raise anything; only this line turns it into a 500.
        # SystemExit and asyncio's CancelledError included: waitress would close the connection without a response.
        raise _failed(action, error) from error


def _failed(action: str, error: BaseException) -> EngineFailed:
    return EngineFailed(
        redact(cut(str(error), MAX_MESSAGE)) or f"Exception type: {type(error).__name__}", title=f"Failed to {action}"
    )
