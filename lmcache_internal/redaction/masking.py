"""Mask the secrets in any value. All responses, logs and errors use these functions."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterable, Mapping, Set
from enum import Enum
from typing import Any

import msgspec

from ..conversion import shown
from .log_lines import escaped_trace
from .names import Secrecy, secrecy_of
from .texts import mask_text, names_a_secret
from .urls import MASK as MASK
from .values import is_count

_BYTES = (bytes, bytearray, memoryview)
_LONGEST_TOKEN = 64
_LABELS = frozenset({"name", "key", "variable"})
_LABELED = frozenset({"value", "values"})


def redact(value: Any, name: str = "") -> Any:
    """Return `value` with every secret in it replaced by `***`.

    Args:
        value: any object. If JSON has no such type, its fields or its text are masked, as they would be encoded.
        name: the name of the value, such as `hf_token` or `REDIS_PASSWORD`.

    Returns:
        A masked copy, or `value` itself if it is plain data without secrets.
    """
    try:
        return _walk(value, secrecy_of(name))
    except RecursionError:
        return MASK  # It is nested too deeply to search.


def redact_start(text: str, limit: int, name: str = "") -> str:
    """Return the first `limit` characters of `text`, masked, and the number of characters that follow.

    The cost depends on the limit and not on the length of the text. The last word before the cut is left out, because
    no rule recognizes the first half of a secret.
    """
    if len(text) <= limit:
        return str(redact(text, name))
    kept = text[:limit]
    url = kept.rfind("://") + 3
    if url > 2 and not any(map(str.isspace, kept[url:])):
        kept = kept[:url]
    last = kept.split()[-1] if kept.strip() else ""
    if len(last) <= _LONGEST_TOKEN and kept.endswith(last):
        kept = kept[: len(kept) - len(last)]
    return f"{redact(kept, name)}… ({len(text) - len(kept)} more characters)"


def quoted(value: Any, name: str) -> str:
    """Return an invalid value for an error message: cut, and masked if `name` is that of a secret."""
    # A value such as 'abc' for `max_tokens` is neither a count nor a secret, so it is shown.
    return shown(MASK if secrecy_of(name) is Secrecy.SECRET else redact(value))


def redact_trace(record: logging.LogRecord) -> bool:
    """Mask the secrets in the traceback of a record. Use it as a filter of a logger."""
    if record.exc_info:
        # Handlers do not format the traceback again if `exc_text` is set.
        record.exc_text = escaped_trace(redact(logging.Formatter().formatException(record.exc_info)))
    return True


def _walk(value: Any, secrecy: Secrecy) -> Any:
    if isinstance(value, str):
        if secrecy is Secrecy.OPEN:
            return _redact_text(value)
        return value if value == "" or (secrecy is Secrecy.COUNTED and is_count(value)) else MASK
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return MASK if secrecy is Secrecy.SECRET else value
    if isinstance(value, Mapping):
        return _walk_mapping(value, secrecy)
    if isinstance(value, (list, tuple, Set)):
        names = getattr(value, "_fields", None)  # A named tuple, which becomes a list in JSON.
        return (
            list(map(_walk, value, [secrecy_of(name, secrecy) for name in names]))
            if names
            else _walk_items(value, secrecy)
        )
    return MASK if secrecy else _walk_object(value)


def _walk_mapping(value: Mapping[Any, Any], secrecy: Secrecy) -> dict[Any, Any]:
    walked = {}
    for key, item in value.items():
        shown_key = _redact_key(key)
        walked[shown_key] = _walk(item, secrecy_of(key if isinstance(key, str) else str(shown_key), secrecy))
    # `{"name": "HF_TOKEN", "value": "…"}`, as Kubernetes writes variables; tags of AWS have `Key` and `Value`.
    labels = [item for key, item in value.items() if _is_named(key, _LABELS) and isinstance(item, str)]
    if labels:
        strictest = max(secrecy_of(label, secrecy) for label in labels)
        walked |= {key: _walk(item, strictest) for key, item in value.items() if _is_named(key, _LABELED)}
    return walked


def _is_named(key: Any, names: frozenset[str]) -> bool:
    return isinstance(key, str) and key.lower() in names


def _redact_key(key: Any) -> Any:
    if key is None or isinstance(key, (int, float)):
        return key
    if isinstance(key, str):
        return _redact_text(key)
    walked = _walk_object(key)
    return _redact_text(str(key)) if isinstance(walked, (dict, list)) else walked


def _walk_items(items: Iterable[Any], secrecy: Secrecy) -> list[Any]:
    walked = []
    option = Secrecy.OPEN
    for item in items:
        is_option = isinstance(item, str) and item.startswith("-")
        walked.append(_walk(item, secrecy if is_option else max(secrecy, option)))
        # A list of arguments: `["--api-key", "…"]`.
        option = secrecy_of(item) if is_option and item.lstrip("-").replace("-", "_").isidentifier() else Secrecy.OPEN
    return walked


def _walk_object(value: Any) -> Any:
    """Return the masked data that JSON encodes for the object."""
    if isinstance(value, _BYTES):
        text = bytes(value).decode("utf-8", "backslashreplace")
        masked = _redact_text(text)
        return value if masked == text else masked
    if isinstance(value, Enum):
        return _walk(value.value, Secrecy.OPEN)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _walk_mapping(
            {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, Secrecy.OPEN
        )
    if isinstance(value, msgspec.Struct):
        names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
        return _walk_mapping({name: getattr(value, field) for name, field in names}, Secrecy.OPEN)
    try:
        plain = msgspec.to_builtins(value, enc_hook=str)
    except Exception:  # `__str__` of the object may raise anything. Without its text, secrets cannot be found.
        return MASK
    return _walk(plain, Secrecy.OPEN)


def _redact_text(text: str) -> str:
    start = text.lstrip()[:1]
    if not (start and start in '{["'):
        return mask_text(text)
    try:
        loaded = json.loads(text, object_pairs_hook=_merged)
        masked = _walk(loaded, Secrecy.OPEN)
        return json.dumps(masked) if masked != loaded else text
    except RecursionError:
        return MASK  # It is nested too deeply to search.
    except ValueError:
        # In invalid JSON, or the repr of Python data, the end of the value of a secret name is unknown.
        is_mapping = text.lstrip(" \t\r\n[").startswith("{")
        return MASK if is_mapping and names_a_secret(text) else mask_text(text)


def _merged(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object with the values of a repeated key as a list, so that every value is searched."""
    merged: dict[str, list[Any]] = {}
    for key, value in pairs:
        merged.setdefault(key, []).append(value)
    return {key: values if len(values) > 1 else values[0] for key, values in merged.items()}
