"""The configuration as masked JSON with an entity tag, cached until a value changes."""

from __future__ import annotations

import marshal
import zlib
from functools import lru_cache
from typing import Any, NamedTuple

from ..engine.definitions import GENERATED
from ..operations.etags import entity_tag
from ..operations.serialize import encode_json
from ..redaction import redact

# Later versions write equal texts differently, depending on their reference counts.
_MARSHAL_VERSION = 2


class Masked(NamedTuple):
    """Values as a client receives them.

    Attributes:
        tag: the entity tag of the values, unmasked.
        text: the values as indented JSON, with secrets masked.
    """

    tag: str
    text: str


def masked(values: dict[str, Any]) -> Masked:
    """Return the current `values` with secrets masked; a change at any depth is detected.

    To compare the output of marshal takes a tenth of the time of masking; `1`, `True`, `1.0` and `"1"` have different
    outputs. The last 8 results are cached in memory, together with the unmasked values.
    """
    try:
        return _of_snapshot(marshal.dumps(values, _MARSHAL_VERSION))
    except ValueError:  # An object is not plain data, so a change cannot be detected.
        return _mask(values)


def masked_checksum(values: dict[str, Any]) -> int:
    """Return the CRC-32 of `values` with secrets masked, without the keys that each rank generates.

    It is public, so it must not depend on a secret: the checksum would confirm a guess.
    """
    shared = {name: value for name, value in values.items() if name not in GENERATED}
    return zlib.crc32(masked(shared).text.encode())


@lru_cache(maxsize=8)
def _of_snapshot(snapshot: bytes) -> Masked:
    # From the snapshot, because the values may have changed since.
    values = marshal.loads(snapshot)  # noqa: S302 - the bytes are from `masked`.
    if not _is_plain(values):
        raise ValueError("marshal writes any object with a buffer as bytes")
    return _mask(values)


def _mask(values: dict[str, Any]) -> Masked:
    return Masked(entity_tag(values), encode_json(redact(values), indent=2).decode())


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
