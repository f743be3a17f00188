"""Mask secrets in what other people will read: by the rules of the server, and the token that was sent."""

from __future__ import annotations

from typing import Any

from ..redaction import MASK, redact


def redacted(value: Any, secret: str | None) -> Any:
    """Return `value` with its secrets masked.

    Args:
        value: anything that JSON can hold.
        secret: a text to mask wherever it occurs, such as the token that was sent; or None.
    """
    return redact(_without(value, secret) if secret else value)


def _without(value: Any, secret: str) -> Any:
    if isinstance(value, dict):
        return {_without(key, secret): _without(item, secret) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, secret) for item in value]
    return value.replace(secret, MASK) if isinstance(value, str) else value
