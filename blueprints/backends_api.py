"""The storage backends of the engine."""

from __future__ import annotations

from flask import Blueprint

from lmcache_internal.api import Access, NotFound, StorageManager, operation, redact, runtime, storage_manager

router = Blueprint("backends", __name__, url_prefix="/backends")

_UNAVAILABLE = "/backends API is unavailable"


@router.get("")
@operation(doing="list backends")
def list_backends() -> dict[str, str]:
    """Name and class of each backend."""
    return storage_manager(_UNAVAILABLE).list_backends()


@router.delete("/<name>")
@operation(doing="close backend", access=Access.ADMIN, changes=True)
def close(name: str) -> dict[str, object]:
    """Close a backend and take it out of the engine."""
    storage = storage_manager(_UNAVAILABLE)
    if not storage.close_backend(name):
        raise _not_found(name, storage)
    return {"status": "success", "message": f"Backend {name} closed", "backends": storage.list_backends()}


@router.post("")
@operation(doing="create backends", access=Access.ADMIN, changes=True)
def create() -> dict[str, object]:
    """Create the backends that the configuration asks for and that are absent."""
    storage = storage_manager(_UNAVAILABLE)
    return {
        "status": "success",
        "created": storage.create_backends(),
        "backends": storage.list_backends(),
    } | _warnings()


@router.post("/<name>/recreate")
@operation(doing="recreate backend", access=Access.ADMIN, changes=True)
def recreate(name: str) -> dict[str, object]:
    """Close a backend and create it again by the configuration as it is now."""
    storage = storage_manager(_UNAVAILABLE)
    if name not in storage.list_backends():
        raise _not_found(name, storage)
    created = storage.recreate_backend(name)
    return {"status": "success", "recreated": created, "backends": storage.list_backends()} | _warnings()


def _warnings() -> dict[str, object]:
    # LMCache calls it a success, too, when a remote cannot be reached.
    unreachable = runtime().unreachable_backends()
    return {"warnings": redact(unreachable)} if unreachable else {}


def _not_found(name: str, storage: StorageManager) -> NotFound:
    message = f"Backend {name} not found"
    payload = {"status": "not_found", "message": message, "backends": storage.list_backends()}
    return NotFound(message, payload=payload)
