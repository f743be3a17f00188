"""Storage backends."""

from typing import Annotated, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    NotFound,
    Role,
    StorageManager,
    cut,
    mode_switched,
    operation,
    redact,
    runtime,
    storage_manager,
    suggestion,
)

router = Blueprint("backends", __name__, url_prefix="/backends")

_UNAVAILABLE = "/backends API is unavailable"


class Closed(TypedDict):
    """The remaining backends: name to class."""

    status: Literal["success"]
    message: str
    backends: dict[str, str]


class Warned(TypedDict, total=False):
    """Created backends that are unreachable: name to reason."""

    warnings: dict[str, str]


class Created(Warned):
    """The created and the current backends: name to class."""

    status: Literal["success"]
    created: dict[str, str]
    backends: dict[str, str]


class Recreated(Warned):
    """The recreated and the current backends: name to class."""

    status: Literal["success"]
    recreated: dict[str, str]
    backends: dict[str, str]


class UnknownBackend(TypedDict):
    """Unknown backend, with the known ones: name to class."""

    status: Literal["not_found"]
    message: str
    backends: dict[str, str]


Unknown = Annotated[NotFound, UnknownBackend]


@router.get("")
@operation(action="list backends")
def list_backends() -> dict[str, str]:
    """List storage backends."""
    return storage_manager(_UNAVAILABLE).list_backends()


@router.delete("/<name>")
@operation(action="close backend", access=Role.ADMIN, exclusive=True, errors=(Unknown,))
def close(name: str) -> Closed:
    """Close a storage backend and remove it from the engine."""
    storage = storage_manager(_UNAVAILABLE)
    if not storage.close_backend(name):
        raise _not_found(name, storage)
    mode_switched("closed", True, name)
    return {"status": "success", "message": f"Backend {name} closed", "backends": storage.list_backends()}


@router.post("")
@operation(action="create backends", access=Role.ADMIN, exclusive=True)
def create() -> Created:
    """Create missing storage backends from the configuration."""
    storage = storage_manager(_UNAVAILABLE)
    created = storage.create_backends()
    _note_created(created)
    return {"status": "success", "created": created, "backends": storage.list_backends(), **_warnings()}


@router.post("/<name>/recreate")
@operation(action="recreate backend", access=Role.ADMIN, exclusive=True, errors=(Unknown,))
def recreate(name: str) -> Recreated:
    """Close a storage backend and create it again from the current configuration."""
    storage = storage_manager(_UNAVAILABLE)
    if name not in storage.list_backends():
        raise _not_found(name, storage)
    created = storage.recreate_backend(name)
    _note_created(created)
    return {"status": "success", "recreated": created, "backends": storage.list_backends(), **_warnings()}


def _note_created(created: dict[str, str]) -> None:
    for name in created:
        mode_switched("closed", False, name)


def _warnings() -> Warned:
    # LMCache reports success even if a remote backend is unreachable.
    unreachable = runtime().unreachable_backends()
    return {"warnings": redact(unreachable)} if unreachable else {}


def _not_found(name: str, storage: StorageManager) -> NotFound:
    backends = storage.list_backends()
    message = f"Backend {cut(name)} not found{suggestion(name, backends)}"
    payload: UnknownBackend = {"status": "not_found", "message": message, "backends": backends}
    return NotFound(message, payload=payload)
