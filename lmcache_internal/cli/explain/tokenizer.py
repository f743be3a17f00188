"""Ask vLLM for the tokens of a prompt: `POST /tokenize`, which uses vLLM's tokenizer and chat template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import click
from msgspec import Meta, Struct

from ..answers import UnusableAnswerError
from ..client import Client, Failure
from ..targets import target_at
from ..text import one_line

_Token = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_IS_IT_VLLM = "Is this the address of vLLM's API server?"


class _Tokenized(Struct):
    tokens: list[_Token]


def tokenize(url: str, body: Mapping[str, Any], seconds: float) -> list[int]:
    """Return the tokens of a prompt or of chat messages.

    Args:
        url: the address of vLLM, with or without `/v1`.
        body: the request: `prompt`, or `messages` and what belongs to them.
        seconds: the timeout.

    Raises:
        click.ClickException: vLLM is down, refuses the request, or has no tokenizer.
    """
    target = target_at(url.rstrip("/").removesuffix("/v1"))
    try:
        # Without a token: the token of the engines' servers is not for vLLM, which needs none for this route.
        with Client(target, None, seconds) as client:
            found: _Tokenized = client.request("POST", "/tokenize", json=body).json(_Tokenized)
    except Failure as failure:
        raise click.ClickException(f"vLLM at {target.address} did not tokenize the prompt: {_why(failure)}") from None
    except UnusableAnswerError as error:
        message = f"{target.address}/tokenize responded with something else than tokens ({error}). {_IS_IT_VLLM}"
        raise click.ClickException(message) from None
    return found.tokens


def _why(failure: Failure) -> str:
    error = failure.body.get("error") if isinstance(failure.body, dict) else None
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return f"HTTP {failure.status}: {one_line(error['message'])}"
    if failure.unreachable:
        return f"{failure}. Is vLLM running there? To explain without it, give --tokens."
    if failure.status == 404:
        return f"it has no POST /tokenize. {_IS_IT_VLLM}"
    return str(failure)
