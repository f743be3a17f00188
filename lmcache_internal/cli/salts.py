"""Replace the cache salts in the files of a bundle.

A salt separates the caches of tenants. vLLM's documentation asks to keep it secret, because a client that knows it can
find out what a tenant has cached. The servers show salts to operators, but other people read a bundle.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

ANONYMOUS = "_default"
"""The salt of anonymous requests in paths and in quotas."""

_IN_TEXT = re.compile(r'((?:^|[{,])cache_salt=")((?:[^"\\]|\\.)+)|(/quota/)([^\s?#"]+)', re.MULTILINE)

_WORD = re.compile(r"""[^\s"'`/?#&=,;:{}()<>[\]]+""")
_MIN_LENGTH = 8
"""A shorter salt is replaced only where a salt is expected, because it may be an ordinary word or number."""


def without_salts(files: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files of one server with each salt replaced by `salt-1`, `salt-2`, … in all of them."""
    aliases: dict[str, str] = {}
    replaced = {name: _replaced(content, aliases) for name, content in files.items()}
    known = {salt: alias for salt, alias in aliases.items() if len(salt) >= _MIN_LENGTH}
    return {name: _replaced_everywhere(content, known) for name, content in replaced.items()}


def _replaced(value: Any, aliases: dict[str, str], name: str = "") -> Any:
    if isinstance(value, dict):
        return {
            _alias(key, aliases) if name == "users" else key: _replaced(item, aliases, key)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replaced(item, aliases, name) for item in value]
    if not isinstance(value, str):
        return value
    if name == "cache_salt":
        return _alias(value, aliases)
    return _IN_TEXT.sub(lambda match: f"{match[1] or match[3]}{_alias(match[2] or match[4], aliases)}", value)


def _replaced_everywhere(value: Any, known: Mapping[str, str]) -> Any:
    """Return `value` with each known salt replaced, in names and in texts, such as messages of errors."""
    if isinstance(value, dict):
        return {known.get(key, key): _replaced_everywhere(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced_everywhere(item, known) for item in value]
    return _WORD.sub(lambda match: known.get(match[0], match[0]), value) if isinstance(value, str) and known else value


def _alias(salt: str, aliases: dict[str, str]) -> str:
    if salt in ("", ANONYMOUS) or salt in aliases.values():
        return salt
    return aliases.setdefault(salt, f"salt-{len(aliases) + 1}")
