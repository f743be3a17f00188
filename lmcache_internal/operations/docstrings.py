"""Parses docstrings in Google style: first line, text, and the entries of a section."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$", re.MULTILINE)


def summary_of(docstring: str | None) -> str:
    """Return the first line; empty without a docstring."""
    return (docstring or "").strip().partition("\n")[0]


def text_of(docstring: str | None) -> str:
    """Return the text before the first section."""
    return _SECTION.split(inspect.cleandoc(docstring or ""))[0].strip()


def names_in(docstring: str | None, section: str) -> dict[str, str]:
    """Return the entries of a section such as `Args`: name to description, in one line."""
    parts = _SECTION.split(inspect.cleandoc(docstring or ""))
    found = dict(zip(parts[1::2], parts[2::2], strict=True)).get(section, "")
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", found, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
