"""Read the configuration of an MP server: sections of sections, which become keys such as `mp.chunk_size`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...redaction import redact
from ..client import Client, Failure
from .values import unknown_keys


def read_mp_config(client: Client, keys: Sequence[str], details: bool) -> dict[str, Any]:
    """Return the values by path, those of the given keys and sections only, if any are given.

    Raises:
        Failure: there is no usable response, no such key, or `details` is set.
    """
    if details:
        raise Failure("an MP server shows values only; leave out --details")
    # LMCache's own server does not mask secrets.
    found = dict(_flat(redact(client.json("GET", "/config", dict[str, Any]))))
    chosen = {key: [name for name in found if name == key or name.startswith(f"{key}.")] for key in keys}
    if missing := unknown_keys([key for key, names in chosen.items() if not names], found):
        raise Failure(missing)
    return {name: found[name] for names in chosen.values() for name in names} if keys else found


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    parts = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(parts, dict) or (not parts and path):
        yield path, value
        return
    for name, part in parts.items():
        yield from _flat(part, f"{path}.{name}" if path else str(name))
