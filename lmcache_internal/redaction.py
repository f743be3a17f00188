"""The one place that decides what is secret: by its name, or by where it stands."""

from __future__ import annotations

import json
import logging
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
_FUSED_ENDINGS = ("apikey", "passwd", "password", "secret", "token")  # `PGPASSWORD`, `authtoken`.
# `token_file`, `secret_path`, `token_ttl`: the name speaks of a secret, the value is none.
_HARMLESS_ENDINGS = frozenset(
    {"count", "dir", "file", "len", "length", "limit", "path", "size", "timeout", "ttl"},
)

_WORKING_DIRECTORIES = frozenset({"PWD", "OLDPWD"})

_COUNTS = re.compile(r"\d+(\s*,\s*\d+)*")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MAPPING = re.compile(r"\s*(\[\s*)*\{")
_NAMED = re.compile(r"(?<![\w.-])([\w.-]+)[\"']?\s*[:=]")
_USERINFO = re.compile(r"(?<=://)[^/?#\s]*@")
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
        return {
            _redact_text(key) if isinstance(key, str) else key: redact(
                item, f"{name}.{key}" if _is_secret(name) else str(key)
            )
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact(item, name) for item in value]
    if isinstance(value, (str, int)) and not isinstance(value, bool) and value != "" and _is_secret(name):
        # `max_tokens: 7` is a count, `password: 1234` is not.
        is_count = _COUNTS.fullmatch(str(value)) and _SECRET_WORDS.intersection(_words(name)) == {"tokens"}
        return value if is_count else MASK
    return _redact_text(value) if isinstance(value, str) else value


def redact_trace(record: logging.LogRecord) -> bool:
    """Mask the secrets in a record's traceback; a filter for loggers."""
    if record.exc_info:
        # Handlers take it as it stands.
        record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
    return True


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_secret(name: str) -> bool:
    words = _words(name)
    if not words or words[-1] in _HARMLESS_ENDINGS or name in _WORKING_DIRECTORIES:
        return False
    if not _SECRET_WORDS.isdisjoint(words) or any(word.endswith(_FUSED_ENDINGS) for word in words):
        return True
    return any(word in ("key", "keys") and owner in _KEY_OWNERS for owner, word in pairwise(words))


def _merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object in which a repeated key hides nothing: its values become a list."""
    merged: dict[str, Any] = {}
    for key, value in pairs:
        merged[key] = [merged[key], value] if key in merged else value
    return merged


def _redact_text(text: str) -> str:
    if text.lstrip().startswith(("{", "[", '"')):
        try:
            loaded = json.loads(text, object_pairs_hook=_merged)
            masked = redact(loaded)
            if masked != loaded:
                return json.dumps(masked)
        except ValueError:
            if _MAPPING.match(text) and any(_is_secret(name) for name in _NAMED.findall(text)):
                return MASK  # Broken JSON, or Python's way to write it: nobody can tell what belongs to the name.
        except RecursionError:
            return MASK  # Too deep to look through.
    if "://" in text:
        text = _USERINFO.sub(f"{MASK}@", text)
        text = _QUERY_VALUE.sub(rf"\1={MASK}", text)
    return _BEARER.sub(rf"\1 {MASK}", text)
