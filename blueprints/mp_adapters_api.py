"""The L2 adapters of an MP server: list, add and remove them while it runs."""

from typing import Any, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    ApiError,
    CallTimedOut,
    JsonBody,
    NotFound,
    NotSupported,
    Role,
    carry_detail,
    internal_app,
    mp_runtime,
    mp_storage,
    note,
    operation,
    redact,
)
from lmcache_internal.engine.mp import adapters

router = Blueprint("mp_adapters", __name__, url_prefix="/config/adapters")
engines = ("mp",)
carry_detail(router, ApiError)

_PART_OF_TIMEOUT = 0.8
"""The part of a call's timeout that the engine gets, so that the response reports what became of the adapter."""


class Adapter(TypedDict):
    """An L2 adapter; requests that name none use the primary one. Its `id` never changes, its `index` may."""

    index: int
    id: int
    type_name: str
    tier: Literal["l2"]
    primary: bool
    reconfigurable: bool


class Adapters(TypedDict):
    """All L2 adapters, in the order of their ids."""

    adapters: list[Adapter]


class _DryRun(TypedDict, total=False):
    dry_run: bool


class _New(_DryRun):
    type_name: str
    config: dict[str, Any]


class Added(_New, total=False):
    """The adapter that was added, with its secrets masked; `id` is absent in a dry run."""

    id: int


class Removed(_DryRun):
    """The adapter that was removed."""

    id: int
    type_name: str


@router.get("")
@operation(action="list the L2 adapters")
def list_adapters() -> Adapters:
    """List the L2 adapters in use."""
    storage = mp_storage()
    reconfigurable = storage.reconfigurable_l2_backends()
    return {
        "adapters": [
            {
                "index": number,
                "id": descriptor.index,
                "type_name": descriptor.type_name,
                "tier": "l2",
                "primary": number == 0,
                "reconfigurable": descriptor.type_name in reconfigurable,
            }
            for number, (descriptor, _) in enumerate(storage.l2_adapters())
        ]
    }


@router.post("")
@operation(
    action="add the L2 adapter", access=Role.ADMIN, exclusive=True, strict=True, errors=(NotSupported, CallTimedOut)
)
def add_adapter(spec: JsonBody, dry_run: bool = False) -> Added:
    """Add an L2 adapter until the server restarts.

    The body is the object that `--l2-adapter` takes. The adapter is added as a whole or not at all. With
    `dry_run=true`, its configuration is checked, and nothing is added.
    """
    runtime, storage, shown = mp_runtime(), mp_storage(), redact(dict(spec))
    note(config=shown, dry_run=dry_run)
    config = adapters.checked(runtime, storage, spec)
    found: Added = {"type_name": spec["type"], "config": shown}
    if dry_run:
        found["dry_run"] = True
    else:
        found["id"] = adapters.add(storage, config, spec, _seconds())
    return found


@router.delete("/<adapter_id>")
@operation(
    action="remove the L2 adapter",
    access=Role.ADMIN,
    exclusive=True,
    strict=True,
    errors=(NotFound, NotSupported, CallTimedOut),
)
def remove_adapter(adapter_id: int, dry_run: bool = False) -> Removed:
    """Remove an L2 adapter until the server restarts.

    Its reads and writes end first. The objects in its storage are not deleted. With `dry_run=true`, nothing is removed.
    """
    storage = mp_storage()
    descriptor = adapters.named(storage, adapter_id)
    found: Removed = {"id": adapter_id, "type_name": descriptor.type_name}
    note(adapter=adapter_id, type_name=descriptor.type_name, dry_run=dry_run)
    if dry_run:
        found["dry_run"] = True
    else:
        adapters.remove(storage, adapter_id, _seconds())
    return found


def _seconds() -> float:
    return internal_app().call_timeout * _PART_OF_TIMEOUT
