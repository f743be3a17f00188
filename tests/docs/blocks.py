"""Parses the fenced code blocks of the documents and their options, the words after the backticks."""

from __future__ import annotations

import configparser
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from markdown_it import MarkdownIt


class BlockError(Exception):
    """A block is invalid, or its result is not the expected one."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        document: path of the document, relative to the checkout.
        line: number of the line that opens the block, from 1.
        language: the word after the backticks.
        words: the options: `wait=8000` as `{"wait": "8000"}`; empty string for an option without a value.
        text: the content of the block.
    """

    document: str
    line: int
    language: str
    words: dict[str, str]
    text: str

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"

    @property
    def needs(self) -> list[str]:
        """The commands or Python modules without which the block is skipped."""
        return [need for need in self.words.get("needs", "").split(",") if need]

    @property
    def is_shown_only(self) -> bool:
        """Whether the block is not run, written or compared."""
        return self.language in _SHOWN and not self.words.keys() & {"file", "output"}


def _parse_ini(text: str) -> None:
    configparser.ConfigParser(interpolation=None).read_string(text)


_SHOWN: dict[str, Callable[[str], object]] = {
    "text": str,
    "console": str,
    "yaml": lambda text: list(yaml.safe_load_all(text)),
    "json": json.loads,
    "ini": _parse_ini,
}
# Allowed options per language. A block with `file=` may have any language.
_WORDS = {
    "bash": {"serve", "wait", "needs"},
    "python": {"needs"},
    "text": {"output", "needs"},
    "console": set[str](),
    "yaml": set[str](),
    "json": set[str](),
    "ini": set[str](),
}
_WORDS_OF_FILES = {"file", "needs"}


def blocks_of(root: Path, document: str) -> list[Block]:
    """Return the blocks of a document in order; an indented block has no language."""
    tokens = MarkdownIt().parse((root / document).read_text())
    return [
        _block(document, token.map[0] + 1, token.info, token.content)
        for token in tokens
        if token.type in ("fence", "code_block") and token.map
    ]


def _block(document: str, line: int, info: str, text: str) -> Block:
    language, *words = info.split() or [""]
    return Block(document, line, language, {word.partition("=")[0]: word.partition("=")[2] for word in words}, text)


def check(block: Block) -> None:
    """Raise BlockError unless language and options are known and the content is well-formed."""
    known = _WORDS_OF_FILES if "file" in block.words else _WORDS.get(block.language)
    if known is None:
        raise BlockError(f"{block}: expected a language of {', '.join(_WORDS)}, or file=…; not {block.language!r}")
    if unknown := block.words.keys() - known:
        raise BlockError(f"{block}: {', '.join(sorted(unknown))} is not allowed with {block.language}")
    if "wait" in block.words and "serve" not in block.words:
        raise BlockError(f"{block}: wait= requires serve")
    if block.language in _SHOWN:
        _check_data(block)


def _check_data(block: Block) -> None:
    try:
        _SHOWN[block.language](block.text)
    except (ValueError, yaml.YAMLError, configparser.Error) as error:
        raise BlockError(f"{block}: invalid {block.language}: {error}") from error
