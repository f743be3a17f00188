"""Changes of devices and adapters at run time: the bodies of requests, and adapters by backend."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ...conversion import cut
from ...errors import BadRequest, NotFound
from .runtime import MPRuntime

_UNITS = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SIZE = re.compile(r"^\s*([0-9]{1,20}(?:\.[0-9]{1,20})?)\s*(?:([kmgtKMGT])[iI]?[bB]?|[bB])?\s*$")

Device = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*$")]


Size = Annotated[int, Meta(gt=0)] | Annotated[str, Meta(pattern=_SIZE.pattern)]
"""Bytes, or a text such as `100GiB`."""


class DaxAdd(Struct, forbid_unknown_fields=True):
    """A device to add: `size` is bytes, or a text such as `100GiB`."""

    device_path: Device
    size: Size
    adapter_index: int = 0


class DaxRemove(Struct, forbid_unknown_fields=True):
    """A device to remove."""

    device_path: Device
    adapter_index: int = 0
    mode: Literal["migrate", "evict", "drain"] = "migrate"
    force: bool = False


class DaxResize(Struct, forbid_unknown_fields=True):
    """A device to resize."""

    device_path: Device
    size: Size
    adapter_index: int = 0
    mode: Literal["migrate", "evict"] = "migrate"
    force: bool = False


_DAX: dict[str, type[DaxAdd | DaxRemove | DaxResize]] = {"add": DaxAdd, "remove": DaxRemove, "resize": DaxResize}


def size_of(size: int | str) -> int:
    """Return a size in bytes; units are powers of 1024.

    Raises:
        BadRequest: it is no positive number of bytes (400).
    """
    found = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if found is not None:
        size = int(Decimal(found[1]) * 1024 ** _UNITS[(found[2] or "").lower()])
    if not isinstance(size, int) or size <= 0:
        raise BadRequest(
            f"size: expected a positive number of bytes or a text such as '100GiB', got {cut(str(size))!r}",
            title="Invalid size",
        )
    return size


def adapters_of(runtime: MPRuntime, backend: str) -> list[dict[str, Any]]:
    """Return the status of each adapter of a backend that can be reconfigured, numbered from 0.

    Raises:
        BadRequest: the name is blank (400).
    """
    found = _entries(runtime, _named("backend", backend))
    return [{**status, "adapter_index": number} for number, status in enumerate(found)]


def reconfigure(runtime: MPRuntime, backend: str, operation: str, body: dict[str, Any]) -> dict[str, Any]:
    """Apply an operation to one adapter of a backend; return what the backend reports.

    Raises:
        BadRequest: the backend does not know the operation, or the body does not fit (400).
        NotFound: the backend has no such adapter that can be reconfigured (404).
        ApiError: with the status that the backend gives.
    """
    backend, operation = _named("backend", backend), _named("operation", operation)
    index, payload = _dax_payload(operation, body) if backend == "dax" else _payload(body)
    found = _entries(runtime, backend)
    if not 0 <= index < len(found):
        raise NotFound(
            f"There is no {cut(backend)} adapter {index} that can be reconfigured; there are {len(found)}",
            title=f"{cut(backend)} adapter not found",
        )
    return runtime.reconfigure_l2(found[index]["adapter_index"], operation, payload)


def _entries(runtime: MPRuntime, backend: str) -> list[dict[str, Any]]:
    found = runtime.l2_reconfigurations()
    return [status for status in found if status.get("backend", status.get("type")) == backend]


def _named(what: str, name: str) -> str:
    found = name.strip().lower()
    if not found:
        raise BadRequest(f"{what}: expected a name, got {cut(name)!r}", title="Missing parameter")
    return found


def _payload(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    index = body.get("adapter_index", 0)
    if not isinstance(index, int) or isinstance(index, bool):
        raise BadRequest(f"adapter_index: expected int, got {cut(str(index))!r}", title="Invalid parameter")
    return index, {name: value for name, value in body.items() if name != "adapter_index"}


def _dax_payload(operation: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    kind = _DAX.get(operation)
    if kind is None:
        raise BadRequest(
            f"dax has no operation {cut(operation)!r}; it has: {', '.join(_DAX)}", title="Unknown operation"
        )
    try:
        given = msgspec.to_builtins(msgspec.convert(body, kind))
    except msgspec.ValidationError as error:
        raise BadRequest(str(error), title="Invalid parameter") from None
    if "size" in given:
        given["size_bytes"] = size_of(given.pop("size"))
    return given.pop("adapter_index"), given
