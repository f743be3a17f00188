"""Cached objects by name: list and delete them in L1 and in the L2 adapters, with any MP engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

from ...conversion import cut
from ...errors import BadRequest, CallTimedOut, EngineUnavailable, NotFound
from ...redaction import redact
from .protocols import MPStorageManager
from .runtime import MPRuntime, ObjectName

Tier = Literal["l1", "l2", "all"]
CallAdapter = Callable[[Any, str, Callable[[], Any]], Any]
"""Calls an adapter, given its descriptor, the action for messages, and the call."""


def adapter_named(storage: MPStorageManager, name: str | None) -> tuple[Any, Any]:
    """Return the descriptor of an L2 adapter and the adapter: the one of that type name, or the primary one.

    Raises:
        EngineUnavailable: there is no L2 adapter (503).
        NotFound: there is none of that name (404).
    """
    adapters = storage.l2_adapters()
    if not adapters:
        raise EngineUnavailable("This server has no L2 adapter.", title="No L2 adapters")
    names = [descriptor.type_name for descriptor, _ in adapters]
    if name is None:
        return adapters[0]
    if name not in names:
        raise NotFound(f"There is no L2 adapter {cut(name)!r}; there are: {', '.join(names)}", title="Unknown adapter")
    return adapters[names.index(name)]


def page_of(
    storage: MPStorageManager,
    adapter: str | None,
    model: str | None,
    size: int,
    token: str | None,
    call: CallAdapter,
) -> Any:
    """Return the adapter's descriptor and a page of its objects, which has `entries` and `next_page_token`.

    Raises:
        BadRequest: the token is none of the adapter's (400).
        CallTimedOut: the adapter does not respond (504).
        EngineUnavailable: there is no L2 adapter, or it fails, or it cannot list its objects (503).
        NotFound: there is no adapter of that name (404).
    """
    descriptor, found = adapter_named(storage, adapter)
    try:
        keys = partial(found.list_l2_keys, model_name=model, page_size=size, cursor=token)
        return descriptor, call(descriptor, "list the objects", keys)
    except ValueError as error:
        raise BadRequest(redact(str(error)), title="Invalid page_token") from None
    except NotImplementedError as error:
        raise EngineUnavailable(
            f"The L2 adapter {descriptor.type_name!r} does not support listing: {redact(str(error))}",
            title="Listing not supported",
        ) from None


def keys_of(runtime: MPRuntime, names: Sequence[ObjectName]) -> list[Any]:
    """Return the engine's keys.

    Raises:
        BadRequest: a name breaks a rule of the engine (400).
    """
    keys = []
    for number, name in enumerate(names):
        try:
            keys.append(runtime.object_key(name))
        except ValueError as error:
            raise BadRequest(f"keys[{number}]: {cut(str(error))}", title="Invalid key") from None
    return keys


def delete(
    storage: MPStorageManager, keys: list[Any], tier: Tier, force: bool, adapter: str | None, call: CallAdapter
) -> tuple[int, int, str | None]:
    """Delete objects; return how many were deleted and how many are locked and stay, and why L2 failed, if it did.

    Raises:
        CallTimedOut: the adapter does not respond (504).
        EngineUnavailable: L2 is concerned, and there is no L2 adapter (503); nothing was deleted.
        NotFound: there is no adapter of that name (404); nothing was deleted.
    """
    found = None if tier == "l1" else adapter_named(storage, adapter)
    deleted, skipped = (0, 0) if tier == "l2" else storage.delete_l1_keys(keys, force=force)
    if found is None:
        return deleted, skipped, None
    try:
        call(found[0], "delete the objects", partial(found[1].delete, keys))
    except CallTimedOut:
        raise
    except Exception as error:  # A storage may fail in any way; the contract reports it in the body.
        return deleted, skipped, redact(str(error)) or type(error).__name__
    return deleted + len(keys), skipped, None
