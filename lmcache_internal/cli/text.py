"""Make text safe to print on a terminal.

Servers choose their names and messages, and the text between them and the terminal goes through this module. A newline
could fake a row, a control character could move the cursor, and a bidirectional override could reverse what is read.
"""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` on one line, with each character that does not print as a Python escape sequence."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def printable_lines(text: str) -> str:
    """Return `text` with its lines and tabs kept, and each other character that does not print escaped."""
    return "\n".join("\t".join(map(printable, line.split("\t"))) for line in text.split("\n"))


def one_line(text: str, limit: int = 1000) -> str:
    """Return `text` with its white space collapsed, cut after `limit` characters."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit else f"{line[:limit]}…"


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
