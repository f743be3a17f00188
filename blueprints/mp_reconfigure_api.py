"""Change the devices and adapters of an MP server while it runs."""

from typing import Annotated, Any, Literal, TypedDict

from flask import Blueprint
from msgspec import Struct

from lmcache_internal.api import (
    BadRequest,
    Conflict,
    JsonBody,
    Meta,
    NotFound,
    Role,
    carry_sentence,
    mp_runtime,
    operation,
    redact,
)
from lmcache_internal.engine.mp.reconfigure import Device, Size, adapters_of, reconfigure, size_of

router = Blueprint("mp_reconfigure", __name__, url_prefix="/reconfigure")
engines = ("mp",)
carry_sentence(router)

Name = Annotated[str, Meta(max_length=256)]


class Adapters(TypedDict):
    """The adapters of a backend that can be reconfigured, numbered from 0."""

    enabled: bool
    backend: str
    num_adapters: int
    adapters: list[dict[str, Any]]


class Arenas(TypedDict):
    """The Device-DAX devices of L1."""

    arenas: list[dict[str, Any]]


class Added(TypedDict):
    """The device that was added."""

    added: dict[str, Any]


class RemovedDevice(TypedDict):
    """A device after the request to remove it."""

    device_path: str
    arenas: list[dict[str, Any]]


class Removed(TypedDict):
    """The device that was removed, or that is being drained."""

    removed: RemovedDevice


class AddRequest(Struct, forbid_unknown_fields=True):
    """The device to add: `size` is bytes, or a text such as `100GiB`."""

    device_path: Device
    size: Size


class RemoveRequest(Struct, forbid_unknown_fields=True):
    """The device to remove, by the path that it was added with."""

    device_path: Device
    mode: Literal["drain"] = "drain"


@router.get("/dax/l1/status")
@operation(action="get the devices of L1", errors=(Conflict,))
def l1_status() -> Arenas:
    """List the Device-DAX devices of L1; 409 if L1 is memory."""
    return {"arenas": mp_runtime().l1_arenas()}


@router.post("/dax/l1/add")
@operation(action="add the device to L1", access=Role.ADMIN, exclusive=True, errors=(BadRequest,))
def l1_add(request: AddRequest) -> Added:
    """Add a Device-DAX device to L1."""
    return {"added": mp_runtime().add_l1_device(request.device_path, size_of(request.size))}


@router.post("/dax/l1/remove")
@operation(action="remove the device from L1", access=Role.ADMIN, exclusive=True, errors=(NotFound,))
def l1_remove(request: RemoveRequest) -> Removed:
    """Drain a Device-DAX device of L1, and remove it when nothing uses it."""
    arena = mp_runtime().remove_l1_device(request.device_path)
    return {"removed": {"device_path": arena["device_path"], "arenas": [arena]}}


@router.get("/<backend>/l2/status")
@operation(action="get the adapters of the backend")
def l2_status(backend: Name) -> Adapters:
    """List the L2 adapters of a backend that can be reconfigured."""
    found = redact(adapters_of(mp_runtime(), backend))
    return {
        "enabled": bool(found),
        "backend": backend.strip().lower(),
        "num_adapters": len(found),
        "adapters": found,
    }


@router.post("/<backend>/l2/<operation>")
@operation(action="reconfigure the adapter", access=Role.ADMIN, exclusive=True, errors=(NotFound,))
def l2_reconfigure(backend: Name, operation: Name, payload: JsonBody) -> dict[str, Any]:
    """Apply an operation to an L2 adapter: for `dax`, add, remove or resize a device."""
    found: dict[str, Any] = redact(reconfigure(mp_runtime(), backend, operation, payload))
    return found
