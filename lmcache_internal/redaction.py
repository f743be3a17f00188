"""The one place that decides what is secret: by its name, or by where it stands."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

MASK = "***"

_SECRET_WORDS = frozenset(
    {
        *("auth", "authorization", "bearer", "cookie", "credential", "credentials", "dsn", "pass", "passphrase"),
        *("passwd", "password", "passwords", "pwd", "secret", "secrets", "signature", "token", "tokens"),
    }
)
_KEY_OWNERS = frozenset({"access", "account", "api", "auth", "encryption", "private", "secret", "signing", "ssh"})
# `token_file`, `secret_path`, `token_ttl`: the name speaks of a secret, the value is none.
_HARMLESS_ENDINGS = frozenset(
    {"count", "dir", "file", "len", "length", "limit", "path", "size", "timeout", "ttl"},
)

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_USERINFO = re.compile(r"(?<=://)[^/?#\s@]*@(?=[^\s@]*)")
_QUERY_VALUE = re.compile(r"(?<=[?&;])([^=&;#\s]+)=([^&;#\s]+)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")


def redact(value: Any, name: str = "") -> Any:
    """Return `value` with every secret in it replaced by `***`.

    Args:
        value: anything that JSON can hold; mappings and sequences are walked.
        name: the name under which the value stands (`hf_token`, `REDIS_PASSWORD`).

    Returns:
        A masked copy, or `value` itself where nothing had to be masked.
    """
    if isinstance(value, Mapping):
        return {key: redact(item, f"{name}.{key}" if _is_secret(name) else str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item, name) for item in value]
    if isinstance(value, str):
        return MASK if value and _is_secret(name) else _redact_text(value)
    if isinstance(value, int) and not isinstance(value, bool) and _is_secret(name):
        # `max_tokens: 7` is a count, `password: 1234` is not.
        return value if _words(name)[-1:] == ["tokens"] else MASK
    return value


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_secret(name: str) -> bool:
    words = _words(name)
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    if not _SECRET_WORDS.isdisjoint(words) or "apikey" in words:
        return True
    return any(word in ("key", "keys") and owner in _KEY_OWNERS for owner, word in pairwise(words))


def _redact_text(text: str) -> str:
    if text[:1] in "{[" and text[1:]:
        try:
            return json.dumps(redact(json.loads(text)))
        except ValueError:
            pass
    if "://" in text:
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _QUERY_VALUE.sub(rf"\1={MASK}", text)
    return _BEARER.sub(rf"\1 {MASK}", text)
