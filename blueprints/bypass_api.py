"""Take a storage backend out of service without closing it."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import Access, BadRequest, Meta, StorageManager, operation, storage_manager

router = Blueprint("bypass", __name__, url_prefix="/bypass")

_UNAVAILABLE = "Bypass API is unavailable"

Name = Annotated[str, Meta(min_length=1, max_length=256)]


@router.get("/list")
@operation(doing="list bypassed backends")
def list_bypassed() -> dict[str, object]:
    """The bypassed backends beside all of them."""
    storage = storage_manager(_UNAVAILABLE)
    return {
        "status": "success",
        "bypassed_backends": storage.get_bypassed_backends(),
        "all_backends": storage.get_all_backend_names(),
    }


@router.put("/add")
@operation(doing="add bypass backend", access=Access.OPERATOR, changes=True)
def add(backend_name: Name) -> dict[str, object]:
    """Bypass a backend."""
    storage = storage_manager(_UNAVAILABLE)
    return _set(storage, backend_name, True, storage.get_all_backend_names())


@router.put("/remove")
@operation(doing="remove bypass backend", access=Access.OPERATOR, changes=True)
def remove(backend_name: Name) -> dict[str, object]:
    """Put a backend back into service."""
    storage = storage_manager(_UNAVAILABLE)
    # A bypassed backend that was closed is still bypassed, should it come again.
    known = [*storage.get_all_backend_names(), *storage.get_bypassed_backends()]
    return _set(storage, backend_name, False, known)


def _set(storage: StorageManager, name: str, bypassed: bool, known: list[str]) -> dict[str, object]:
    if name not in known:
        raise BadRequest(
            f"There is no backend {name!r}; there are: {', '.join(dict.fromkeys(known))}", title="Unknown backend"
        )
    before = storage.is_backend_bypassed(name)
    if before != bypassed:
        storage.set_backend_bypass(name, bypassed)
    return {
        "status": "success",
        "backend_name": name,
        "bypassed": bypassed,
        "was_already_bypassed" if bypassed else "was_bypassed": before,
        "bypassed_backends": storage.get_bypassed_backends(),
    }
