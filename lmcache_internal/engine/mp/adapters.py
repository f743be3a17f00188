"""L2 adapters of an MP server: check, add and remove them while it runs, with any MP engine."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from ...conversion import cut, shown
from ...errors import ApiError, BadRequest, CallTimedOut, Conflict, EngineFailed, NotFound, NotSupported
from ...redaction import MASK, redact
from .protocols import MPStorageManager
from .runtime import MPRuntime

MOST_ADAPTERS = 64
"""Adapters of one server, because each has threads."""
_LOADS_CODE = frozenset({"plugin", "native_plugin"})
_CONTROLLED = frozenset({"p2p"})
"""Types that a controller of the engine adds and removes."""


def checked(runtime: MPRuntime, storage: MPStorageManager, spec: Mapping[str, Any]) -> Any:
    """Return the engine's configuration of a new adapter; nothing is added.

    Args:
        runtime: the surroundings of the engine.
        storage: L1 and L2 of the engine.
        spec: the JSON object that LMCache's option `--l2-adapter` takes.

    Raises:
        BadRequest: the configuration is invalid, or names code to load (400).
        Conflict: an adapter has the same configuration, or there are `MOST_ADAPTERS` (409).
        NotSupported: a package that the adapter needs is missing (501).
    """
    if not isinstance(spec.get("type"), str):
        raise BadRequest(f"type: expected the name of a type, got {shown(spec.get('type'))}", title="Invalid adapter")
    if code := next(_code_in(spec), None):
        raise BadRequest(
            f"{code} loads code by its name, which no request may do. Start the server with --l2-adapter instead.",
            title="Adapter not allowed",
        )
    if spec.get("type") in _CONTROLLED:
        raise BadRequest(f"type: the engine itself adds {spec['type']} adapters", title="Adapter not allowed")
    try:
        config = runtime.adapter_config(spec)
    except Exception as error:  # The parser of an adapter may raise anything.
        raise _translated(error, spec) from None
    adapters, settings = storage.l2_adapters(), runtime.adapter_settings(config)
    for descriptor, _ in adapters:
        if descriptor.type_name == spec["type"] and runtime.adapter_settings(descriptor.config) == settings:
            raise Conflict(f"Adapter {descriptor.index} has the same configuration", title="Adapter exists")
    if len(adapters) >= MOST_ADAPTERS:
        raise Conflict(f"There are {len(adapters)} L2 adapters, the most of one server", title="Too many adapters")
    return config


def add(storage: MPStorageManager, config: Any, spec: Mapping[str, Any], seconds: float) -> int:
    """Add an adapter; return its id.

    Args:
        storage: L1 and L2 of the engine.
        config: the result of `checked`.
        spec: where `config` comes from; its secrets are masked in errors.
        seconds: after this time, the client has no response any more, so the adapter is removed again.

    Raises:
        ApiError: the adapter was not added: 400 for its configuration, 501, 504 or 500.
    """
    create, began = storage.add_l2_adapter, time.monotonic()
    try:
        number = create(config)
    except Exception as error:  # The constructor of an adapter may raise anything.
        left = [descriptor.index for descriptor, _ in storage.l2_adapters() if descriptor.config is config]
        for each in left:
            storage.delete_l2_adapter(each, seconds)
        raise _translated(error, spec) from None
    took = time.monotonic() - began
    if took > seconds:
        storage.delete_l2_adapter(number, seconds)
        raise CallTimedOut(f"The {spec['type']} adapter took {took:.0f} s to start, and was removed again")
    return int(number)


def named(storage: MPStorageManager, number: int) -> Any:
    """Return the descriptor of the adapter with an id.

    Raises:
        Conflict: a controller of the engine adds and removes it (409).
        NotFound: there is none (404).
    """
    found = {descriptor.index: descriptor for descriptor, _ in storage.l2_adapters()}
    if number not in found:
        known = ", ".join(map(str, found)) or "none"
        raise NotFound(f"There is no L2 adapter with the id {number}; there are: {known}", title="Unknown adapter")
    if found[number].type_name in _CONTROLLED:
        raise Conflict(f"The engine itself removes {found[number].type_name} adapters", title="Adapter not allowed")
    return found[number]


def remove(storage: MPStorageManager, number: int, seconds: float) -> None:
    """Remove an adapter; what it stored stays in its storage.

    Args:
        storage: L1 and L2 of the engine.
        number: the id of the adapter.
        seconds: how long to wait for its reads and writes.

    Raises:
        CallTimedOut: reads or writes did not end (504).
        NotFound: another request has removed it (404).
    """
    delete = storage.delete_l2_adapter
    try:
        delete(number, seconds)
    except TimeoutError as error:
        raise CallTimedOut(
            f"Adapter {number} has reads or writes that did not end within {seconds:.0f} s. It gets no new ones; "
            f"repeat the request to remove it. {redact(str(error))}"
        ) from None
    except ValueError as error:
        raise NotFound(redact(str(error)), title="Unknown adapter") from None


def _translated(error: Exception, spec: Mapping[str, Any]) -> ApiError:
    if isinstance(error, ApiError):
        return error
    text = str(error)
    for secret in sorted(_secrets_of(spec, redact(spec)), key=len, reverse=True):
        text = text.replace(secret, MASK)
    text = redact(cut(text, 1000)) or type(error).__name__
    if isinstance(error, ImportError):
        return NotSupported(f"The adapter cannot be loaded here: {text}")
    kind = BadRequest if isinstance(error, (ValueError, TypeError, OSError)) else EngineFailed
    return kind(f"The L2 adapter was not added: {text}", title="Adapter not added")


def _code_in(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield each setting, at any depth, that makes an adapter import a module."""
    for key, value in _leaves(spec):
        if key == "module_path" or (key == "type" and value in _LOADS_CODE):
            yield f"{key}: {cut(str(value))}"


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    inner = value.items() if isinstance(value, Mapping) else ((key, each) for each in value)
    for name, part in inner:
        if isinstance(part, (Mapping, list)):
            yield from _leaves(part, name)
        else:
            yield name, part


def _secrets_of(spec: Any, masked: Any) -> Iterator[str]:
    """Yield the texts that `redact` has changed."""
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            yield from _secrets_of(value, masked[key] if isinstance(masked, Mapping) else masked)
    elif isinstance(spec, list):
        for number, value in enumerate(spec):
            yield from _secrets_of(value, masked[number] if isinstance(masked, list) else masked)
    elif spec != masked and str(spec):
        yield str(spec)
