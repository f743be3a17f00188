"""LMCache's configuration objects as plain data, as its own server shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """Return a section of the configuration as plain data.

    Dataclasses become mappings; what is neither a dataclass nor data becomes text. The L2 adapters of the storage
    manager are no dataclasses, and are shown by their attributes.
    """
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        return str(value)
    found = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    adapters = getattr(getattr(value, "l2_adapter_config", None), "adapters", None)
    if adapters is not None:
        found["l2_adapter_config"]["adapters"] = list(map(plain_adapter, adapters))
    return found


def plain_adapter(config: Any) -> dict[str, Any]:
    """Return the configuration of an L2 adapter as plain data."""
    found = plain(config) if dataclasses.is_dataclass(config) else {name: _shown(v) for name, v in vars(config).items()}
    # An attribute of the class, up to LMCache 0.5.6.
    return {**found, "affinity_tag": config.affinity_tag} if hasattr(config, "affinity_tag") else found


def _shown(value: Any) -> Any:
    return str(value) if dataclasses.is_dataclass(value) else plain(value)
