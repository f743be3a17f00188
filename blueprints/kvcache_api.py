"""KV caches of the inference engine: shapes, and checksums of slots."""

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    BadRequest,
    FromText,
    KVLayer,
    NotFound,
    NotSupported,
    Role,
    adapter,
    engine,
    operation,
    runtime,
)

router = Blueprint("kvcache", __name__, url_prefix="/cache/kvcache")

MAX_SLOTS = 1 << 20
# Parts between commas that are not inside brackets, in time linear in the length of the text.
_PARTS = re.compile(r"(?:\[[^\[\]]*\]|[^,])+")
_PART = re.compile(r"(-?\d{1,18})|\[(\d{1,18}),(\d{1,18})\]")


def _parse_slots(text: str) -> list[int]:
    """Parse numbers and inclusive ranges, `1,2,3,[9,12],17`; check the size of a range before it is expanded."""
    slots: list[int] = []
    for part in _PARTS.findall(re.sub(r"\s", "", text)):
        slots.extend(_slots_of(part, MAX_SLOTS - len(slots)))
    return slots


def _slots_of(part: str, room: int) -> range:
    match = _PART.fullmatch(part)
    if match is None:
        raise _invalid(f"{part[:100]!r} is not a number or a range")
    first, last = (int(match[1]), int(match[1])) if match[1] else (int(match[2]), int(match[3]))
    if first > last:
        raise _invalid(f"the range {part} ends before it starts")
    if last - first >= room:
        raise _invalid(f"at most {MAX_SLOTS} slots in total")
    return range(first, last + 1)


def _invalid(reason: str) -> BadRequest:
    return BadRequest(
        f"slot_mapping must be comma-separated integers or ranges like [start,end]: {reason}",
        title="Invalid slot_mapping format",
    )


def _parse_chunk_size(text: str) -> int:
    number = re.fullmatch(r"0*([1-9]\d{0,17})", text)
    if number is None:
        raise BadRequest(f"chunk_size must be a positive integer, got {text[:100]!r}", title="Invalid chunk_size")
    return int(number[1])


def _parse_switch(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise BadRequest(f"enabled must be 'true' or 'false', got {text[:100]!r}", title="Invalid parameter")
    return text.lower() == "true"


_SLOTS = {"type": "string", "minLength": 1, "examples": ["1,2,3,[9,12],17"]}
SlotMapping = Annotated[list[int], FromText(_parse_slots, missing="Missing parameters", schema=_SLOTS)]
_POSITIVE = {"type": "integer", "minimum": 1}
ChunkSize = Annotated[int, FromText(_parse_chunk_size, missing="Missing parameters", schema=_POSITIVE)]
Switch = Annotated[bool, FromText(_parse_switch, schema={"type": "boolean"})]


class Checksums(TypedDict):
    """MD5 of each chunk of slots, over all layers or per layer; "error" for a layer without one of the slots.

    Attributes:
        slot_mapping_ranges: the slots; three or more consecutive slots as [first, last].
    """

    status: Literal["success"]
    slot_mapping_ranges: list[int | list[int]]
    chunk_size: int
    num_chunks: int
    chunk_checksums: list[str] | dict[str, list[str]]
    layerwise: bool


class Recording(TypedDict):
    """Whether slot logging is enabled."""

    status: Literal["success"]
    kvcache_check_log_enabled: bool


class Layer(TypedDict):
    """The KV cache of one layer."""

    shape: list[int]
    dtype: str
    device: str


class Layers(TypedDict):
    """The KV caches: layer name to KV cache."""

    status: Literal["success"]
    num_layers: int
    layers: dict[str, Layer]


@router.get("/check")
@operation(action="compute checksums", media="pretty", errors=(NotFound,))
def check(slot_mapping: SlotMapping, chunk_size: ChunkSize, layerwise: bool = False) -> Checksums:
    """Compute MD5 checksums of KV cache slots.

    There is one checksum per chunk of slots, over all layers or per layer. A layer without one of the slots has the
    checksum "error" and is not part of the checksums over all layers.
    """
    layers = _layers()
    num_slots = max(layer.num_slots for layer in layers.values() if layer)
    outside = [slot for slot in slot_mapping if not 0 <= slot < num_slots]
    if outside:
        named = ", ".join(map(str, outside[:10])) + (", …" if len(outside) > 10 else "")
        raise BadRequest(
            f"Slot indices out of bounds: {named}. Valid range: 0 to {num_slots - 1}", title="Invalid slot indices"
        )
    chunks = [slot_mapping[start : start + chunk_size] for start in range(0, len(slot_mapping), chunk_size)]
    slots_needed = max(slot_mapping, default=-1) + 1
    by_layer = {
        name: [_md5(layer.rows(chunk)) for chunk in chunks]
        if layer and layer.num_slots >= slots_needed
        else ["error"] * len(chunks)
        for name, layer in layers.items()
    }
    return {
        "status": "success",
        "slot_mapping_ranges": list(_ranges(slot_mapping)),
        "chunk_size": chunk_size,
        "num_chunks": len(chunks),
        "chunk_checksums": by_layer if layerwise else _over_all_layers(by_layer, len(chunks)),
        "layerwise": layerwise,
    }


@router.post("/record_slot")
@operation(action="set record slot status", access=Role.OPERATOR, media="pretty", exclusive=True)
def record_slot(enabled: Switch | None = None) -> Recording:
    """Enable or disable logging of the slots of each store and retrieve; show the state without `enabled`."""
    found = engine()
    if enabled is not None:
        found.kvcache_check_log_enabled = enabled
    return {"status": "success", "kvcache_check_log_enabled": found.kvcache_check_log_enabled}


@router.get("/info")
@operation(action="get kvcache info", media="pretty", errors=(NotFound,))
def info() -> Layers:
    """Show shape, dtype and device of each layer's KV cache.

    If a layer has several tensors, they are listed as `name[0]`, `name[1]`.
    """
    caches = _kv_caches()
    layers: dict[str, Layer] = {
        name: {"shape": list(tensor.shape), "dtype": str(tensor.dtype), "device": str(tensor.device)}
        for name, tensor in _tensors(caches)
    }
    return {"status": "success", "num_layers": len(caches), "layers": layers}


def _tensors(caches: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, cache in caches.items():
        if isinstance(cache, (list, tuple)):
            yield from ((f"{name}[{number}]", part) for number, part in enumerate(cache))
        else:
            yield name, cache


def _kv_caches() -> Mapping[str, Any]:
    caches = adapter().kv_caches
    if not (caches and isinstance(caches, Mapping)):
        raise NotFound("kv_caches is empty or not initialized", title="kv_caches not available")
    return caches


def _layers() -> Mapping[str, KVLayer | None]:
    caches = _kv_caches()
    layers = runtime().kv_layers()
    if not any(layers.values()):
        name, cache = next(iter(caches.items()))
        raise NotSupported(
            f"Unknown KV layout: layer {name} has shape {_shape(cache)}, "
            "which matches no known order of blocks, tokens and heads"
        )
    return layers


def _shape(cache: Any) -> str:
    parts = cache if isinstance(cache, (list, tuple)) else [cache]
    return ", ".join(str(list(part.shape)) for part in parts)


def _md5(pieces: Iterable[bytes]) -> str:
    found = hashlib.md5()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


def _over_all_layers(by_layer: Mapping[str, list[str]], num_chunks: int) -> list[str]:
    # As LMCache defines it: MD5 of the layers' hex digests, sorted by layer name.
    names = sorted(name for name, checksums in by_layer.items() if "error" not in checksums)
    return [
        hashlib.md5("".join(by_layer[name][chunk] for name in names).encode()).hexdigest()
        for chunk in range(num_chunks)
    ]


def _ranges(slots: Sequence[int]) -> Iterator[int | list[int]]:
    """Return three or more consecutive slots as [first, last], others as single numbers."""
    for _, run in itertools.groupby(enumerate(slots), key=lambda pair: pair[1] - pair[0]):
        members = [slot for _, slot in run]
        if len(members) >= 3:
            yield [members[0], members[-1]]
        else:
            yield from members
