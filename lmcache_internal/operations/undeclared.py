"""Refuses what an endpoint would ignore, where it would then do something else than the client meant."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Request

from ..conversion import shown, suggestion
from ..errors import BadRequest
from .arguments import Argument


def refuse_undeclared(request: Request, arguments: Iterable[Argument]) -> None:
    """Check that a request holds only what the endpoint declares.

    Raises:
        BadRequest: it has a query parameter that is not one of `arguments`, or a body and none of them is one (400).
    """
    known = [argument.name for argument in arguments if not argument.is_body]
    for name in request.args if request.query_string else ():
        if name not in known:
            raise BadRequest(
                f"Unknown parameter {shown(name)}{suggestion(name, known)}; known parameters: {', '.join(known)}",
                title="Unknown parameter",
            )
    takes_body = any(argument.is_body for argument in arguments)
    if not takes_body and request.get_data(cache=False):
        example = "&".join(f"{name}=…" for name in known)
        raise BadRequest(
            f"The body is not read; send the parameters in the query string: {request.path}?{example}",
            title="Unexpected body",
        )
