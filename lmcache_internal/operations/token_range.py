"""The parameter `tokens_mock`: a range of tokens in the query."""

from __future__ import annotations

from typing import Annotated

from ..conversion import TOKENS_PATTERN, parse_tokens
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
