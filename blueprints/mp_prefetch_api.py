"""Load objects from L2 into the memory of an MP server before they are needed."""

from typing import Annotated, Literal, TypedDict

from flask import Blueprint
from msgspec import Struct

from lmcache_internal.api import ApiError, Meta, NotFound, Role, carry_detail, mp_runtime, operation
from lmcache_internal.engine.mp.runtime import CacheSalt, ModelName

router = Blueprint("mp_prefetch", __name__, url_prefix="/cache/prefetches")
engines = ("mp",)
carry_detail(router, ApiError)


class PrefetchRequest(Struct):
    """Which tokens to load, as a worker of that model and world size would look them up."""

    model_name: ModelName
    world_size: int
    token_ids: Annotated[list[Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]], Meta(max_length=1_000_000)]
    cache_salt: CacheSalt = ""
    source_tier: Literal["l2"] = "l2"
    target_tier: Literal["l1"] = "l1"


class _Submitted(TypedDict):
    chunks: int
    status: Literal["submitted", "noop"]


class Submitted(_Submitted, total=False):
    """A prefetch that was begun; `noop` and without an id where the tokens have no whole chunk."""

    request_id: str


class _State(TypedDict):
    request_id: str
    status: Literal["pending", "completed"]


class State(_State, total=False):
    """How far a prefetch is; the counts where it has ended."""

    found_keys: int
    total_keys: int


@router.post("")
@operation(action="begin the prefetch", access=Role.OPERATOR, status=202, large_body=True, errors=(NotFound,))
def submit(request: PrefetchRequest) -> Submitted:
    """Begin to load the chunks of `token_ids` from L2 into L1."""
    begun = mp_runtime().submit_prefetch(request.model_name, request.world_size, request.token_ids, request.cache_salt)
    if not begun.chunks:
        return {"chunks": 0, "status": "noop"}
    return {"request_id": begun.request_id, "chunks": begun.chunks, "status": "submitted"}


@router.get("/<request_id>")
@operation(action="get the state of the prefetch", errors=(NotFound,))
def state(request_id: Annotated[str, Meta(max_length=256)]) -> State:
    """Return the state of a prefetch; the completion is reported once, then 404."""
    found = mp_runtime().prefetch(request_id)
    if not found.is_complete:
        return {"request_id": request_id, "status": "pending"}
    return {
        "request_id": request_id,
        "status": "completed",
        "found_keys": found.found_keys,
        "total_keys": found.total_keys,
    }
