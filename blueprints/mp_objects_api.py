"""The objects in the cache of an MP server."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypedDict

from flask import Blueprint
from msgspec import Struct

from lmcache_internal.api import (
    ApiError,
    Meta,
    NotFound,
    ObjectName,
    Role,
    carry_detail,
    internal_app,
    mp_runtime,
    mp_storage,
    operation,
)
from lmcache_internal.diagnostics.adapter_calls import call_adapter
from lmcache_internal.engine.mp import objects
from lmcache_internal.engine.mp.objects import Tier

router = Blueprint("mp_objects", __name__, url_prefix="/cache/objects")
engines = ("mp",)
carry_detail(router, ApiError)

Name = Annotated[str, Meta(max_length=1024)]


class Entry(TypedDict):
    """An object and its size."""

    key: ObjectName
    size_bytes: int


class Page(TypedDict):
    """One page of the objects of an adapter; `shared` says whether other servers use its storage, too."""

    adapter: str
    shared: bool
    entries: list[Entry]
    next_page_token: str | None


class DeleteRequest(Struct):
    """What to delete, and from where; `force` deletes objects of L1 even while they are in use."""

    keys: Annotated[list[ObjectName], Meta(max_length=10_000)]
    tier: Tier = "l2"
    force: bool = False
    adapter: Name | None = None


class _Deleted(TypedDict):
    deleted: int
    skipped: int
    ok: bool


class Deleted(_Deleted, total=False):
    """How many objects were deleted, and how many are in use and stay; `error` where L2 failed."""

    error: str


@router.get("")
@operation(action="list the objects", errors=(NotFound,))
def list_objects(
    tier: Literal["l2"] = "l2",  # noqa: ARG001  # There is no choice yet.
    adapter: Name | None = None,
    model_name: Name | None = None,
    page_size: Annotated[int, Meta(ge=1, le=5000)] = 500,
    page_token: Annotated[str, Meta(max_length=4096)] | None = None,
) -> Page:
    """List the objects of an L2 adapter, page by page."""
    descriptor, page = objects.page_of(mp_storage(), adapter, model_name, page_size, page_token or None, _call)
    return {
        "adapter": descriptor.type_name,
        "shared": descriptor.config.shared,
        "entries": page.entries,
        "next_page_token": page.next_page_token,
    }


@router.delete("")
@operation(action="delete the objects", access=Role.OPERATOR, exclusive=True, large_body=True, errors=(NotFound,))
def delete_objects(request: DeleteRequest) -> Deleted:
    """Delete objects by key from L1, from L2 or from both."""
    keys = objects.keys_of(mp_runtime(), request.keys)
    deleted, skipped, error = objects.delete(mp_storage(), keys, request.tier, request.force, request.adapter, _call)
    found: Deleted = {"deleted": deleted, "skipped": skipped, "ok": error is None}
    if error is not None:
        found["error"] = error
    return found


def _call(descriptor: Any, action: str, function: Callable[[], Any]) -> Any:
    # Less than the timeout of the operation, so that the response names the adapter.
    return call_adapter(descriptor, action, function, internal_app().call_timeout * 0.8)
