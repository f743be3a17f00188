"""Find the extent of a value that follows a name in a text. In doubt, it extends to the end of the line."""

from __future__ import annotations

import re

Span = tuple[int, int]
"""The start and the end of the text to mask; equal if there is nothing to mask."""

_OPENING = re.compile(r"""[bBrRuUfF]{0,2}(\\{0,8}(?:"{3}|'{3}|["'`]))""")
_QUOTE_OR_ESCAPED = re.compile(r"""\\.|["'`]""", re.DOTALL)
_WORD = re.compile(r"""[^\s"'`,;&()\[\]{}<>]*""")
_PHRASE = re.compile(r"""[^\n"'`,;&()\[\]{}<>]*""")
_CONTINUES = re.compile(r"""["'`(\[{<]""")
_DELIMITER = re.compile(r"[\s,;&)\]}>]|\Z")
_BRACKET = re.compile(r"[\[\]{}]")
_SCHEME = re.compile(r"(?i)(?:basic|bearer|digest|negotiate|token)[ \t]+(?=\S)")
_HEADERS = ("authorization", "cookie", "cookies")
_NO_SECRETS = frozenset({"", "***", "none", "null", "true", "false"})
_COUNT = "0123456789.,:-_ \t[]()"


def is_count(text: str) -> bool:
    """Return whether `text` is one or more numbers: `512`, `0:512`, `[1, 2]`."""
    return not text.strip(_COUNT) and any(map(str.isdigit, text))


def span_of_value(text: str, start: int, name: str, separator: str) -> Span:
    """Return the part to mask of the value at `start`. The rest, up to the end of the span, contains no secret.

    Args:
        text: the whole text.
        start: the position of the value.
        name: the name of the secret.
        separator: the separator between name and value. After a colon, a value may be several words.
    """
    opening = _OPENING.match(text, start)
    if opening:
        return _quoted(text, opening)
    if name.lower().endswith(_HEADERS):
        scheme = _SCHEME.match(text, start)
        start = scheme.end() if scheme else start
        return _unless_harmless(text, start, _end_of_line(text, start))
    end = _end((_PHRASE if separator == ":" else _WORD).match(text, start))
    found = _unless_harmless(text, start, end)
    is_harmless = found[0] == found[1] > start
    if _CONTINUES.match(text, end) and not is_harmless:  # `SecretStr('x')`, `[…]`: the end of the value is unknown.
        return start, _end_of_nested(text, end)
    return found


def _quoted(text: str, opening: re.Match[str]) -> Span:
    start, quote = opening.end(), opening[1]
    end = _closing(text, start, quote) if len(quote) == 1 else text.find(quote, start)
    following = text[end + len(quote) : end + len(quote) + 1] if end >= 0 else ""
    if end < 0 or following == quote[-1] or following.isalnum():
        return start, _end_of_line(text, max(start, end))
    return _unless_harmless(text, start, end)


def _closing(text: str, start: int, quote: str) -> int:
    return next((found.start() for found in _QUOTE_OR_ESCAPED.finditer(text, start) if found[0] == quote), -1)


def _unless_harmless(text: str, start: int, end: int) -> Span:
    value = text[start:end].rstrip()
    end = start + len(value)
    return (end, end) if value.lower().rstrip(".") in _NO_SECRETS else (start, end)


def _end_of_nested(text: str, start: int) -> int:
    """Return the end of the line, or the end of a structure that spans several lines."""
    end = _end_of_line(text, start)
    line = text[start:end].rstrip()
    if not line.endswith(("{", "[")):
        return end
    depth = 0
    for bracket in _BRACKET.finditer(text, start):
        depth += 1 if bracket[0] in "{[" else -1
        if depth <= 0:
            end = bracket.end()
            return end if _DELIMITER.match(text, end) else _end_of_line(text, end)
    return len(text)


def _end_of_line(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _end(found: re.Match[str] | None) -> int:
    return found.end() if found else 0  # The patterns match any text, which mypy does not know.
