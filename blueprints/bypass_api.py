"""Bypass of storage backends: take a backend out of service without closing it."""

from typing import Annotated, Literal, TypedDict

from flask import Blueprint

from lmcache_internal.api import (
    BadRequest,
    Meta,
    Role,
    StorageManager,
    mode_switched,
    operation,
    storage_manager,
    suggestion,
)

router = Blueprint("bypass", __name__, url_prefix="/bypass")

_UNAVAILABLE = "Bypass API is unavailable"

Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Bypassed(TypedDict):
    """Names of the bypassed backends and of all backends."""

    status: Literal["success"]
    bypassed_backends: list[str]
    all_backends: list[str]


class Switched(TypedDict):
    """Current state of a backend, and the names of all bypassed backends."""

    status: Literal["success"]
    backend_name: str
    bypassed: bool
    bypassed_backends: list[str]


class Added(Switched):
    """Current state of a backend, and whether it was bypassed before."""

    was_already_bypassed: bool


class Removed(Switched):
    """Current state of a backend, and whether it was bypassed before."""

    was_bypassed: bool


@router.get("/list")
@operation(action="list bypassed backends")
def list_bypassed() -> Bypassed:
    """List bypassed backends."""
    storage = storage_manager(_UNAVAILABLE)
    return {
        "status": "success",
        "bypassed_backends": storage.get_bypassed_backends(),
        "all_backends": storage.get_all_backend_names(),
    }


@router.put("/add")
@operation(action="add bypass backend", access=Role.OPERATOR, exclusive=True)
def add(backend_name: Name) -> Added:
    """Bypass a storage backend."""
    storage = storage_manager(_UNAVAILABLE)
    before = _set(storage, backend_name, True, storage.get_all_backend_names())
    return {**_state(storage, backend_name), "was_already_bypassed": before}


@router.put("/remove")
@operation(action="remove bypass backend", access=Role.OPERATOR, exclusive=True)
def remove(backend_name: Name) -> Removed:
    """Stop bypassing a storage backend."""
    storage = storage_manager(_UNAVAILABLE)
    # In LMCache, a closed backend stays bypassed, and is still out of service when it is created again.
    known = [*storage.get_all_backend_names(), *storage.get_bypassed_backends()]
    before = _set(storage, backend_name, False, known)
    return {**_state(storage, backend_name), "was_bypassed": before}


def _set(storage: StorageManager, name: str, bypassed: bool, known: list[str]) -> bool:
    """Set the bypass of a backend; return whether it was bypassed before."""
    if name not in known:
        raise BadRequest(
            f"No backend {name!r}{suggestion(name, known) or ';'} known backends: {', '.join(dict.fromkeys(known))}",
            title="Unknown backend",
        )
    before = storage.is_backend_bypassed(name)
    if before != bypassed:
        storage.set_backend_bypass(name, bypassed)
        mode_switched("bypass", bypassed, name)
    return before


def _state(storage: StorageManager, name: str) -> Switched:
    bypassed = storage.get_bypassed_backends()
    return {"status": "success", "backend_name": name, "bypassed": name in bypassed, "bypassed_backends": bypassed}
