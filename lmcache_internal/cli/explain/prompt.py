"""The options that name a prompt, as text, chat messages or tokens."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from ...conversion import MAX_TOKENS, parse_tokens, shown
from .tokenizer import tokenize

_LISTED = re.compile(r"\s*\d{1,19}(?:[\s,]+\d{1,19})*[\s,]*", re.ASCII)
_CHAT = frozenset(
    (
        *("model", "messages", "tools", "add_generation_prompt", "continue_final_message"),
        *("add_special_tokens", "chat_template", "chat_template_kwargs"),
    )
)
"""The fields of a chat request that change its tokens; vLLM's /tokenize takes them, too."""
_SOURCES = ("--prompt", "--prompt-file", "--messages", "--tokens")


@dataclass(frozen=True)
class Prompt:
    """A prompt, or its tokens.

    Attributes:
        given: the tokens; None if vLLM has to tokenize the prompt.
        body: the request to vLLM's /tokenize.
        vllm: the address of vLLM.
    """

    given: list[int] | None
    body: Mapping[str, Any]
    vllm: str

    def tokens(self, seconds: float) -> list[int]:
        """Return the tokens; ask vLLM for them, at most `seconds`, if they are not given.

        Raises:
            click.ClickException: vLLM fails, or the prompt has no tokens or too many.
        """
        tokens = tokenize(self.vllm, self.body, seconds) if self.given is None else self.given
        if not 0 < len(tokens) <= MAX_TOKENS:
            raise click.ClickException(f"The prompt has {len(tokens)} tokens; expected 1 to {MAX_TOKENS}.")
        return tokens


def prompt_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options to a command; its function gets a `Prompt` as `prompt`."""

    @functools.wraps(command)
    def wrapped(
        prompt: str | None, prompt_file: str | None, messages: dict[str, Any] | None,
        tokens: list[int] | None, vllm: str | None, **rest: Any,
    ) -> None:  # fmt: skip
        found = [given is not None for given in (prompt, prompt_file, messages, tokens)]
        if sum(found) != 1:
            raise click.UsageError(f"Give one of {', '.join(_SOURCES)}.")
        if (tokens is None) != (vllm is not None):
            raise click.UsageError(
                f"{_SOURCES[found.index(True)]} needs --vllm URL, where vLLM tokenizes the prompt."
                if vllm is None
                else "--vllm has no use with --tokens."
            )
        body = messages or {"prompt": prompt if prompt is not None else prompt_file}
        command(prompt=Prompt(tokens, body, vllm or ""), **rest)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def _read(path: str) -> str:
    try:
        with click.open_file(path, encoding="utf-8") as file:
            return str(file.read())
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"cannot read {path}: {error}") from error


def _text(_: click.Context, __: click.Parameter, path: str | None) -> str | None:
    return None if path is None else _read(path)


def _messages(_: click.Context, __: click.Parameter, path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        found = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"{path} is not JSON: {error}") from error
    body = {"messages": found} if isinstance(found, list) else found
    if not (isinstance(body, dict) and isinstance(body.get("messages"), list)):
        raise click.BadParameter(f"{path} is no list of chat messages, and no chat request with `messages`")
    return {name: value for name, value in body.items() if name in _CHAT}


def _tokens(_: click.Context, __: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    if ":" in text and not Path(text).exists():
        try:
            return list(parse_tokens(text))
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
    if _LISTED.fullmatch(text):
        return _listed(text, text)
    if not Path(text).exists():
        raise click.BadParameter(f"expected tokens such as 1,2,3 or 0:512, or a file of them, got {shown(text)}")
    return _listed(_read(text), f"the content of {text}")


def _listed(text: str, what: str) -> list[int]:
    if _LISTED.fullmatch(text):
        return [int(number) for number in re.findall(r"\d+", text)]
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    # The response of vLLM's /tokenize is accepted, too.
    found = found.get("tokens") if isinstance(found, dict) else found
    if not (isinstance(found, list) and all(type(token) is int and token >= 0 for token in found)):
        raise click.BadParameter(f"expected tokens such as 1,2,3 or a JSON list of them, got {shown(what)}")
    return found


_FILE = click.Path(dir_okay=False, allow_dash=True)
_OPTIONS = (
    click.option("--prompt", metavar="TEXT", help="The prompt."),
    click.option("--prompt-file", type=_FILE, callback=_text, metavar="FILE", help="A file with the prompt, or -."),
    click.option(
        "--messages",
        type=_FILE,
        callback=_messages,
        metavar="FILE",
        help="A JSON file with a list of chat messages, or with a chat request.",
    ),
    click.option(
        "--tokens",
        callback=_tokens,
        metavar="FILE|1,2,3",
        help="Tokens, or a file of them; 0:512 are the tokens 0 to 511.",
    ),
    click.option("--vllm", metavar="URL", help="The address of vLLM, which tokenizes the prompt."),
)
