"""Values as they are shown: secrets masked, as JSON, with an entity tag; worked out once while they stay the same."""

from __future__ import annotations

import marshal
from functools import lru_cache
from typing import Any, NamedTuple

from ..operations.etags import entity_tag
from ..operations.serialize import encode_json
from ..redaction import redact

# Later ones write the same text in different ways, depending on who else refers to it.
_MARSHAL_VERSION = 2


class Masked(NamedTuple):
    """What a client gets of values.

    Attributes:
        tag: the entity tag of the values, unmasked.
        text: they as indented JSON, secrets masked.
    """

    tag: str
    text: str


def masked(values: dict[str, Any]) -> Masked:
    """How `values` are shown, as they are now, however deep inside one has changed.

    Comparing what marshal writes costs a tenth of masking them: `1`, `True`, `1.0` and `"1"` all
    differ there. The last few are kept in memory, and the unmasked values with them.
    """
    try:
        return _of_snapshot(marshal.dumps(values, _MARSHAL_VERSION))
    except ValueError:  # Some object is no plain data: nothing tells whether it has changed.
        return _mask(values)


@lru_cache(maxsize=8)
def _of_snapshot(snapshot: bytes) -> Masked:
    # Of the snapshot, not of the values: they may have changed since.
    values = marshal.loads(snapshot)  # noqa: S302 - they are our own bytes.
    if not _is_plain(values):
        raise ValueError("marshal takes whatever has a buffer for bytes")
    return _mask(values)


def _mask(values: dict[str, Any]) -> Masked:
    return Masked(entity_tag(values), encode_json(redact(values), indent=2).decode())


def _is_plain(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str))
