"""Mask the secrets in a text, by the name before them, by their form, or by their place in a URL.

Each rule is one pass over the text, in linear time: a lookbehind keeps each pattern from starting inside its repeated
part, and the character after a repeated part cannot match that part.
"""

from __future__ import annotations

import re

from .names import Secrecy, secrecy_of
from .urls import MASK, mask_urls
from .values import span_of_value

# `password = "x"`, `'api_key': 'x'`, `\"token\": \"x\"`, `hf_token => x`; not a comparison, and not `std::token`.
_NAMED = re.compile(r"""(?<![\w.-])([\w.-]+)\\{0,8}["'`]?\]?[ \t]*(=>|:=|=(?![=>])|:(?![:=]))[ \t]*""")
# `--api-key x`, `['--api-key', 'x']`
_OPTION = re.compile(r"""(?<![\w-])--?([A-Za-z][\w-]*)(["'],[ \t]*|[ \t]+)(?=["']?[^\s"'-])""")
# The harmless values of a name that counts: numbers (`7`, `[1, 2]`), prose (`expected int`, `num_tokens=7`), and code
# (`len(tokens)`, `request.tokens`).
_COUNT = re.compile(r"""["'(\[{ ]*[-+]?\d+(?:[.,:]\d+)*(?![\w-]|[.:]\w)""")
_PROSE_OR_CODE = re.compile(r"[({\[ ]*[A-Za-z_][A-Za-z_.]*(?![\w-])|[({\[ ]+$", re.MULTILINE)
# The second word of a name with a space: `API key: x`.
_SECOND_WORDS = frozenset({"key", "keys", "string"})

_BEARER = re.compile(r"(?i)\b(bearer|basic)(\s+)([\w.~+/=-]{6,})")
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(sk-|[sr]k_live_|[sr]k_test_|gh[oprsu]_|github_pat_|gl(?:cbt|dt|ft|imt|pat|rt|soat)-|gsk_|hf_"
    r"|hvs\.|lmci_|npm_|nvapi-|pypi-|SG\.|xapp-|xox[a-z]-|ya29\.)([A-Za-z0-9][\w.-]{7,})"
)
_SHORTEST_TOKEN = 11
_OTHER_TOKEN = re.compile(
    r"\b(?:A3T[0-9A-Z]|ABIA|ACCA|AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|(?<![\w-])eyJ[\w-]{8,}\.[\w.-]{8,}"
)
_WEBHOOK = re.compile(r"(?<=hooks\.slack\.com/services/)[\w/]+|(?<=/api/webhooks/)[\w/-]+")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----")
_END_OF_KEY = re.compile(r"-----END [A-Z0-9 ]{0,60}-----")


def mask_text(text: str) -> str:
    """Return `text` with its secrets masked."""
    if "-----BEGIN" in text:
        text = _mask_private_keys(text)
    if "://" in text:
        text = _WEBHOOK.sub(MASK, mask_urls(text))
    if "=" in text or ":" in text:
        text = _mask_values(text, _NAMED)
    if "-" in text:
        text = _mask_values(text, _OPTION)
    if " " in text or "\n" in text or "\t" in text:
        text = _BEARER.sub(_bearer, text)
    if len(text) < _SHORTEST_TOKEN:
        return text
    return _OTHER_TOKEN.sub(MASK, _TOKEN.sub(_token, text))


def names_a_secret(text: str) -> bool:
    """Return whether `text` contains the name of a secret before a value."""
    return any(secrecy_of(found[1]) is Secrecy.SECRET for found in _NAMED.finditer(text))


def _mask_values(text: str, pattern: re.Pattern[str]) -> str:
    """Mask the values of the secret names that `pattern` finds."""
    parts, done = [], 0
    found = pattern.search(text)
    while found:
        name, separator, start = found[1], found[2], found.end()
        secrecy = _secrecy_at(text, found.start(), name)
        if secrecy is Secrecy.SECRET or (secrecy and not _is_harmless(text, start, name, separator)):
            first, start = span_of_value(text, start, name, separator)
            parts += [text[done:first], MASK if first < start else ""]
            done = start
        found = pattern.search(text, start)
    return "".join([*parts, text[done:]])


def _secrecy_at(text: str, start: int, name: str) -> Secrecy:
    if name.lower() in _SECOND_WORDS and text[start - 1 : start].isspace():
        owners = text[max(0, start - 40) : start].split()
        return secrecy_of(f"{owners[-1]}.{name}") if owners else Secrecy.OPEN
    return secrecy_of(name)


def _is_harmless(text: str, start: int, name: str, separator: str) -> bool:
    """Return whether the text after the name of a count is a number, prose or code."""
    if _COUNT.match(text, start) or separator.isspace():  # `--tokens-only or --verbose`
        return True
    return "token" in name.lower() and bool(_PROSE_OR_CODE.match(text, start))


def _mask_private_keys(text: str) -> str:
    parts, done = [], 0
    found = _PRIVATE_KEY.search(text)
    while found:
        parts += [text[done : found.start()], MASK]
        end = _END_OF_KEY.search(text, found.end())
        done = end.end() if end else len(text)
        found = _PRIVATE_KEY.search(text, done)
    return "".join([*parts, text[done:]])


def _bearer(found: re.Match[str]) -> str:
    word = found[3].rstrip(".-/")
    is_prose = found[1] != "Bearer" and word.isalpha() and word.islower()  # "basic authentication"
    return found[0] if is_prose else f"{found[1]}{found[2]}{MASK}"


def _token(found: re.Match[str]) -> str:
    """Mask a token. Names such as `hf_hub_enable_hf_transfer` and `sk-learn-estimators` are not tokens."""
    body = found[2]
    is_random = any(letter.isdigit() or letter.isupper() for letter in body) or (len(body) >= 20 and body.isalpha())
    return f"{found[1]}{MASK}" if is_random else found[0]
