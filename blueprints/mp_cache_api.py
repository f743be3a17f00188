"""Clear the memory of an MP server, and compare the KV caches of its workers."""

from typing import Annotated, Literal, TypedDict

from flask import Blueprint
from msgspec import Struct

from lmcache_internal.api import (
    ApiError,
    Meta,
    NotFound,
    NotSupported,
    Role,
    carry_detail,
    mp_runtime,
    operation,
)
from lmcache_internal.engine.mp.checksums import by_layer, checked_blocks, over_all_layers, ranges

router = Blueprint("mp_cache", __name__, url_prefix="/cache")
engines = ("mp",)
carry_detail(router, ApiError)


class ClearRequest(Struct):
    """What to clear; `force` drops objects even while they are in use, and may corrupt a running transfer."""

    tier: Literal["l1"] = "l1"
    force: bool = False


class ClearedTier(TypedDict):
    """The tier that was cleared."""

    tier: Literal["l1"]


class Cleared(TypedDict):
    """That it was cleared."""

    status: Literal["ok"]
    cleared: ClearedTier


class ChecksumRequest(Struct):
    """Which blocks of which worker, `chunk_size` blocks in each checksum."""

    block_ids: Annotated[list[int], Meta(min_length=1)]
    chunk_size: Annotated[int, Meta(ge=1, le=2**31)]
    instance_id: int = 0
    layerwise: bool = False


class Checksums(TypedDict):
    """MD5 checksums, over all layers or by layer; `block_id_ranges` has consecutive blocks as [first, last]."""

    status: Literal["success"]
    chunk_size: int
    num_chunks: int
    chunk_checksums: list[str] | dict[str, list[str]]
    layerwise: bool
    block_id_ranges: list[int | list[int]]


@router.post("/clear")
@operation(action="clear the cache", access=Role.OPERATOR, exclusive=True)
def clear(request: ClearRequest | None = None) -> Cleared:
    """Drop all objects of L1 that are not in use; without a body, L1 without force."""
    mp_runtime().clear(force=request is not None and request.force)
    return {"status": "ok", "cleared": {"tier": "l1"}}


@router.post("/checksums")
@operation(action="compute the checksums", access=Role.VIEWER, limit="long", errors=(NotFound, NotSupported))
def checksums(request: ChecksumRequest) -> Checksums:
    """Compute MD5 checksums over blocks of a worker's KV cache."""
    layers = mp_runtime().block_layers(request.instance_id)
    checked_blocks(request.block_ids, layers)
    compute = by_layer if request.layerwise else over_all_layers
    return {
        "status": "success",
        "chunk_size": request.chunk_size,
        "num_chunks": -(-len(request.block_ids) // request.chunk_size),
        "chunk_checksums": compute(layers, request.block_ids, request.chunk_size),
        "layerwise": request.layerwise,
        "block_id_ranges": list(ranges(request.block_ids)),
    }
