"""Secrets taken out of what others will read: once more than the server does, and more broadly."""

from __future__ import annotations

import re
from typing import Any

from ..redaction import MASK, redact

# `password=hunter2`, `token: 'abc'`: in a source line of a stack, in a label, in a thread's name.
_NAME = re.compile(r"""([\w.-]+)\s*[=:]\s*["']?""")
_VALUE = re.compile(r"""[^\s"',;&]+""")


def scrub(value: Any, secret: str | None) -> Any:
    """Return `value` without secrets.

    Args:
        value: anything that JSON can hold.
        secret: a text that must not stand anywhere in it, or None: the token that was sent.
    """
    return _walk(redact(value), secret)


def _walk(value: Any, secret: str | None) -> Any:
    if isinstance(value, dict):
        return {_walk(key, secret): _walk(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_walk(item, secret) for item in value]
    return _text(value, secret) if isinstance(value, str) else value


def _text(text: str, secret: str | None) -> str:
    text = text.replace(secret, MASK) if secret else text
    return "\n".join(_line(redact(line)) for line in text.split("\n"))


def _line(line: str) -> str:
    parts, end = [], 0
    for name in _NAME.finditer(line):
        value = _VALUE.match(line, name.end())
        if value and name.start() >= end and redact(value[0], name[1]) == MASK:
            parts += [line[end : value.start()], MASK]
            end = value.end()
    return "".join([*parts, line[end:]])
