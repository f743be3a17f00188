"""The tokens of a request: a range in the query, or a list in the body."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from ..conversion import MAX_TOKENS, TOKENS_PATTERN, parse_tokens
from ..errors import BadRequest
from .arguments import FromText


def _parse(text: str) -> range:
    """Parse `start,end` or `start:end`."""
    try:
        return parse_tokens(text)
    except ValueError as error:
        message = f"tokens_mock must be 'start,end' or 'start:end': {error}"
        raise BadRequest(message, title="Invalid tokens_mock format") from error


_START_END = {"type": "string", "pattern": TOKENS_PATTERN, "examples": ["0,256", "0:256"]}
TokenRange = Annotated[range, FromText(_parse, missing="Missing parameters", schema=_START_END)]
"""`tokens_mock`: consecutive tokens."""

_Token = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
TokenList = Annotated[list[_Token], Meta(min_length=1, max_length=MAX_TOKENS)]
"""`tokens` of a JSON body."""


def one_of(tokens: list[int] | None, tokens_mock: range | None) -> list[int]:
    """Return the tokens of a request that has either; raise `BadRequest` (400) with none or both."""
    if (tokens is None) == (tokens_mock is None):
        raise BadRequest('Send either {"tokens": […]} as the body or tokens_mock=START,END in the query.')
    return tokens if tokens is not None else list(tokens_mock or ())
