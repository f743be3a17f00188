"""What a docstring in Google's style says: its first line, its text, and what it says of each name."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^(Args|Attributes|Raises|Returns):$", re.MULTILINE)


def summary_of(docstring: str | None) -> str:
    """The first line; empty without a docstring."""
    return (docstring or "").strip().partition("\n")[0]


def text_of(docstring: str | None) -> str:
    """All of it up to the first section."""
    return _SECTION.split(inspect.cleandoc(docstring or ""))[0].strip()


def names_in(docstring: str | None, section: str) -> dict[str, str]:
    """The entries of a section such as `Args`: each name with what is said of it, in one line."""
    parts = _SECTION.split(inspect.cleandoc(docstring or ""))
    found = dict(zip(parts[1::2], parts[2::2], strict=True)).get(section, "")
    entries = re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", found, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}
