"""Refuse changes over HTTP of the settings that protect the server. They can only be set at its start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..conversion import cut
from .model import PREFIX, extra_config

# A client that could change these settings would control the server.
_GUARDED = frozenset({"run_script_api_enabled", "script_allowed_imports"})


def not_mutable(what: str = "") -> str:
    """Return the reason why a key cannot be set over HTTP, in the words of LMCache, and how to set it."""
    return f"Config is not mutable at runtime{what}; set it in the configuration file and restart the engine"


def guarded_reason(name: str, value: Any, config: Any) -> str | None:
    """Return the reason why `name` cannot be set to `value` over HTTP, or None if it can."""
    if name.startswith(PREFIX) or name in _GUARDED:
        return not_mutable()
    if name == "extra_config":
        before, after = (dict(_guarded_in(settings)) for settings in (extra_config(config), value))
        if before != after:
            missing = object()
            keys = before.keys() | after.keys()
            changed = sorted(key for key in keys if before.get(key, missing) != after.get(key, missing))
            return not_mutable(f": {', '.join(map(cut, changed[:10]))} in extra_config")
    return None


def _guarded_in(extra: Any) -> Iterator[tuple[str, Any]]:
    """Yield the path and the value of each guarded setting in `extra`, at any depth."""
    found, seen = [("", extra)], set()  # Not recursive, because a client chooses the depth.
    while found:
        path, value = found.pop()
        if not isinstance(value, (Mapping, list, tuple)) or id(value) in seen:
            continue
        seen.add(id(value))
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            if str(key).startswith(PREFIX) or key in _GUARDED:
                yield f"{path}{key}", inner
            else:
                found.append((f"{path}{key}.", inner))
