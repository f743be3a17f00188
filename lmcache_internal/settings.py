"""The `internal_api_server_*` settings, read and checked from an engine's config."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import ConfigError

PREFIX = "internal_api_server_"

# Whoever may change these owns the server: they are set at start, never over HTTP.
_GUARDED = frozenset({"run_script_api_enabled", "script_allowed_imports"})


@dataclass(frozen=True)
class Settings:
    """What the server itself is told by the engine's config.

    Attributes:
        enabled: whether to serve at all.
        host: the address to bind; loopback unless configured.
        port_start: port of index 0, the scheduler.
        include_indices: the indices that serve; all when empty.
        socket_path_prefix: when set, serve on the Unix socket `<prefix>_<port>`.
        plugin_dirs: further directories of `*_api.py` files.
        script_timeout: seconds after which a script is stopped.
        call_timeout: seconds after which a call into the engine is answered with 504.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port_start: int = 6999
    include_indices: tuple[int, ...] = ()
    socket_path_prefix: str | None = None
    plugin_dirs: tuple[Path, ...] = ()
    script_timeout: float = 60.0
    call_timeout: float = 30.0

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Read the settings of `config`, any object with LMCache's config attributes.

        Raises:
            ConfigError: a value has the wrong type or range; the message names it.
        """
        extra = extra_config(config)
        directories = _get(extra, "plugin_dirs", (str, list, tuple), "a path or a list of paths", [])
        return cls(
            enabled=bool(getattr(config, PREFIX + "enabled", False)),
            host=str(getattr(config, PREFIX + "host", None) or cls.host),
            port_start=int(getattr(config, PREFIX + "port_start", cls.port_start)),
            include_indices=tuple(getattr(config, PREFIX + "include_index_list", None) or ()),
            socket_path_prefix=getattr(config, PREFIX + "socket_path_prefix", None) or None,
            plugin_dirs=tuple(Path(d) for d in ([directories] if isinstance(directories, str) else directories)),
            script_timeout=_positive(extra, "script_timeout", cls.script_timeout),
            call_timeout=_positive(extra, "call_timeout", cls.call_timeout),
        )


def extra_config(config: Any) -> Mapping[str, Any]:
    """The config's `extra_config`, where settings stand that LMCache's schema lacks."""
    return getattr(config, "extra_config", None) or {}


def guarded_reason(name: str, value: Any, config: Any) -> str | None:
    """Why setting `name` to `value` over HTTP is refused; None where it may be."""
    if name.startswith(PREFIX) or name in _GUARDED:
        return "Config is not mutable at runtime"
    if name == "extra_config" and (value is None or isinstance(value, Mapping)):
        before, after = (_own(settings) for settings in (extra_config(config), value or {}))
        if before != after:
            changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
            return f"Config is not mutable at runtime: {', '.join(changed[:10])} in extra_config"
    return None


def _own(extra: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in extra.items() if key.startswith(PREFIX)}


def _get(extra: Mapping[str, Any], name: str, types: tuple[type, ...], expected: str, default: Any) -> Any:
    value = extra.get(PREFIX + name, default)
    if not isinstance(value, types) or isinstance(value, bool):
        raise ConfigError(f"extra_config.{PREFIX}{name}: expected {expected}, got {value!r}")
    return value


def _positive(extra: Mapping[str, Any], name: str, default: float) -> float:
    value = _get(extra, name, (int, float), "a positive number", default)
    if not 0 < value < float("inf"):
        raise ConfigError(f"extra_config.{PREFIX}{name}: expected a positive number, got {value!r}")
    return float(value)
