"""Read and compare configuration values from the command line and from the engine's YAML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click
import msgspec

from ...conversion import as_json, suggestion, type_name
from ...engine.definitions import Definition
from ...errors import ConfigError
from ...redaction import redact

_TYPES: dict[str, Any] = {
    type_name(each): each for each in (bool, int, float, str, dict, list, list[int], list[float], list[str])
}


def shown(value: Any) -> str:
    """Return the value as JSON; types that only YAML has become text."""
    return json.dumps(as_json(value), ensure_ascii=False)


def unknown_keys(names: Iterable[str], known: Iterable[str]) -> str:
    """Return the message about keys that a server does not have, with similar ones; empty without names."""
    return "; ".join(f"there is no key {name!r}{suggestion(name, known)}" for name in names)


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `KEY=VALUE` arguments. A value is JSON, or text if it is not valid JSON.

    Raises:
        click.UsageError: an argument has another form. The message does not quote it, because it may be a secret.
    """
    values: dict[str, Any] = {}
    for number, pair in enumerate(pairs, 1):
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise click.UsageError(f"Argument {number} is not of the form KEY=VALUE.")
        if name in values:
            raise click.UsageError(f"{name} is given twice.")
        values[name] = _parse(name, text)
    return values


def means(name: str, written: Any, type: str, live: Any) -> bool:
    """Whether an engine that reads `written` for a key has the value `live`; secrets are compared masked.

    Args:
        name: the key.
        written: the value in the YAML.
        type: the type of the key, from GET /conf?details=true.
        live: the value that the server answers.
    """
    converted = _converted(name, written, type, live)
    if isinstance(converted, str):
        converted = converted.replace("file://", "")  # LMCache keeps only the path, and no path if it is empty.
    return bool(as_json(redact(converted, name)) == live) or (live is None and converted == "")


def _converted(name: str, written: Any, type: str, live: Any) -> Any:
    bare, _, none = type.partition(" | ")
    if bare not in _TYPES:
        return written
    definition = Definition(_TYPES[bare] | None if none else _TYPES[bare], default=live)
    try:
        return definition.convert(name, written)
    except ConfigError:
        return written


def _parse(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except UnicodeEncodeError:
        raise click.UsageError(f"The value of {name} is not valid UTF-8.") from None
    except (ValueError, RecursionError):
        return text  # The server converts it by the type of the key, as it converts environment variables.
