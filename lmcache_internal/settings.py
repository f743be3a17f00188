"""The `internal_api_server_*` settings, read and checked from an engine's config."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from msgspec import Struct

from .conversion import cut
from .errors import ConfigError
from .locations import bound_host, expand_path, socket_prefix
from .log_lines import get_logger
from .roles import Role

logger = get_logger(__name__)

PREFIX = "internal_api_server_"
_PATH = (str, os.PathLike)
_DATA = (type(None), str, int, float, bytes, list, tuple, dict, Sequence, Set, Mapping, os.PathLike)

MAX_BODY_BYTES = 1 << 20
"""The largest request body: 1 MiB, for scripts and JSON alike (413 above it)."""

MOST_SCRIPTS = 8
"""The most that `max_scripts` may be: eight scripts that burn CPU let a request wait for seconds."""

# Whoever may change these owns the server: they are set at start, never over HTTP.
_GUARDED = frozenset({"run_script_api_enabled", "script_allowed_imports"})


class Settings(Struct, frozen=True):
    """What the server itself is told by the engine's config.

    Attributes:
        enabled: whether to serve at all.
        host: the address to bind.
        port_start: port of the scheduler (index 0); worker n listens on this + 1 + n.
        include_indices: the indices that serve, 0 the scheduler and 1 + n worker n; all when empty.
        socket_path_prefix: listen on the Unix socket `<prefix>_<port>` instead of the port.
        plugin_dirs: further directories of `*_api.py` files.
        tokens_file: names, roles and hashes of the tokens that callers must send, made by `lmcache-internal token new`.
        tokens_file_strict: refuse a tokens file that users other than its owner may read, not only one they may change.
        max_access: the highest level ever granted; `viewer` makes the server read-only.
        allowed_hosts: further host names that requests may be addressed to; `.example.com` is that name and all below.
        trust_loopback: behind another WSGI server, trust that REMOTE_ADDR is the client's.
        audit_file: where to write the audit log, besides the logger.
        public_host: the address of the public listener.
        public_port_start: port (+ index) of a second listener that serves public routes only.
        script_timeout: seconds after which a script is stopped.
        max_scripts: scripts that may run at once in one process, 1 to 8; each that burns CPU delays all requests.
        call_timeout: seconds after which a call into the engine is answered with 504.
        keep_gil: keep the interpreter's lock while the bytes of a request or answer are moved.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port_start: int = 6999
    include_indices: tuple[int, ...] = ()
    socket_path_prefix: str | None = None
    plugin_dirs: tuple[Path, ...] = ()
    tokens_file: Path | None = None
    tokens_file_strict: bool = False
    max_access: Role = Role.ADMIN
    allowed_hosts: tuple[str, ...] = ()
    trust_loopback: bool = False
    audit_file: Path | None = None
    public_host: str = "127.0.0.1"
    public_port_start: int | None = None
    script_timeout: float = 60.0
    max_scripts: int = 2
    call_timeout: float = 30.0
    keep_gil: bool = True

    @classmethod
    def of(cls, config: Any) -> Settings:
        """Read the settings of `config`, any object with LMCache's config attributes.

        An attribute that no configuration file could hold, such as those of a mock, counts as absent.

        Raises:
            ConfigError: a value has the wrong type or range; the message names it.
        """
        extra, default = extra_config(config), cls()
        level = _get(extra, "max_access", (str,), "a level", str(default.max_access))
        return cls(
            enabled=_attribute(config, "enabled", (bool,), "true or false", default.enabled),
            host=bound_host(_attribute(config, "host", (str,), "an address", "") or default.host),
            port_start=_attribute(config, "port_start", (int,), "a port", default.port_start),
            include_indices=_indices(config),
            socket_path_prefix=_socket_prefix(config),
            plugin_dirs=tuple(_expanded("plugin_dirs", text) for text in _strings(extra, "plugin_dirs")),
            tokens_file=_tokens_file(extra),
            tokens_file_strict=_flag(extra, "tokens_file_strict", default.tokens_file_strict),
            max_access=_level(level),
            allowed_hosts=_strings(extra, "allowed_hosts"),
            trust_loopback=_flag(extra, "trust_loopback", default.trust_loopback),
            audit_file=_path(extra, "audit_file"),
            public_host=bound_host(_get(extra, "public_host", (str,), "an address", default.public_host)),
            public_port_start=_port(extra, "public_port_start"),
            script_timeout=_positive(extra, "script_timeout", default.script_timeout),
            max_scripts=_number(extra, "max_scripts", default.max_scripts, MOST_SCRIPTS),
            call_timeout=_positive(extra, "call_timeout", default.call_timeout),
            keep_gil=_flag(extra, "keep_gil", default.keep_gil),
        )


class LiveSettings:
    """The settings of a config that may change while it is served.

    Args:
        settings: those that it was served with.
    """

    def __init__(self, settings: Settings) -> None:
        self._good = settings
        self._refused = ""

    def of(self, config: Any) -> Settings:
        """The settings of `config` as it is now; where one cannot be used, those that were good before."""
        try:
            self._good = Settings.of(config)
        except ConfigError as error:
            if str(error) != self._refused:
                self._refused = str(error)
                logger.warning("The settings of the server stay as they were: %s", error)
        return self._good


def extra_config(config: Any) -> Mapping[str, Any]:
    """The config's `extra_config`, where settings stand that LMCache's schema lacks; empty where it has none.

    Raises:
        ConfigError: it is no mapping of names to values.
    """
    found = _data(getattr(config, "extra_config", None))
    if found is not None and not isinstance(found, Mapping):
        # Not its value: passwords may stand in it.
        raise ConfigError(f"extra_config: expected a mapping of names to values, got a {type(found).__name__}")
    return found or {}


def warn_of_old_names(config: Any) -> None:
    """Log which settings of `config` have an old name."""
    if extra_config(config).get(f"{PREFIX}token_file"):
        logger.warning(
            "extra_config.%stoken_file is deprecated, as it holds the hashes of all tokens: call it %stokens_file",
            PREFIX,
            PREFIX,
        )


def not_mutable(what: str = "") -> str:
    """Why a key is not set over HTTP, in LMCache's words, and how it is set."""
    return f"Config is not mutable at runtime{what}; set it in the configuration file and restart the engine"


def guarded_reason(name: str, value: Any, config: Any) -> str | None:
    """Why setting `name` to `value` over HTTP is refused; None where it may be."""
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
    """What guards the server in `extra`, at any depth: its path, and what is set."""
    found, seen = [("", extra)], set()  # No recursion: a client decides how deep it is.
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


def _data(value: Any) -> Any:
    """The value, if a configuration file or a variable can hold it; else None."""
    return value if isinstance(value, _DATA) else None


def _attribute(config: Any, name: str, types: tuple[type, ...], expected: str, default: Any) -> Any:
    value = _data(getattr(config, PREFIX + name, None))
    return default if value is None else _checked(PREFIX + name, value, types, expected)


def _indices(config: Any) -> tuple[int, ...]:
    name, expected = "include_index_list", "a list of indices"
    values = _attribute(config, name, (list, tuple, Set), expected, ())
    return tuple(_checked(PREFIX + name, value, (int,), expected) for value in values)


def _socket_prefix(config: Any) -> str | None:
    text = os.fspath(_attribute(config, "socket_path_prefix", _PATH, "a path", ""))
    return socket_prefix(f"{PREFIX}socket_path_prefix", text) if text else None


def _get(extra: Mapping[str, Any], name: str, types: tuple[type, ...], expected: str, default: Any) -> Any:
    value = extra.get(PREFIX + name)
    return default if value is None else _checked(f"extra_config.{PREFIX}{name}", value, types, expected)


def _checked(key: str, value: Any, types: tuple[type, ...], expected: str) -> Any:
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise ConfigError(f"{key}: expected {expected}, got {value!r}")
    return value


def _flag(extra: Mapping[str, Any], name: str, default: bool) -> bool:
    value: bool = _get(extra, name, (bool,), "true or false", default)
    return value


def _positive(extra: Mapping[str, Any], name: str, default: float) -> float:
    value = _get(extra, name, (int, float), "a positive number", default)
    if not 0 < value < float("inf"):
        raise ConfigError(f"extra_config.{PREFIX}{name}: expected a positive number, got {value!r}")
    return float(value)


def _number(extra: Mapping[str, Any], name: str, default: int, most: int) -> int:
    expected = f"a whole number from 1 to {most}"
    value: int = _get(extra, name, (int,), expected, default)
    if not 1 <= value <= most:
        raise ConfigError(f"extra_config.{PREFIX}{name}: expected {expected}, got {value!r}")
    return value


def _strings(extra: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = _get(extra, name, (str, list, tuple), "a string or a list of strings", [])
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _path(extra: Mapping[str, Any], name: str) -> Path | None:
    value = _get(extra, name, (str,), "a path", "")
    return _expanded(name, value) if value else None


def _expanded(name: str, text: str) -> Path:
    return Path(expand_path(f"extra_config.{PREFIX}{name}", text))


def _tokens_file(extra: Mapping[str, Any]) -> Path | None:
    path, old = _path(extra, "tokens_file"), _path(extra, "token_file")
    if path and old and path != old:
        raise ConfigError(
            f"extra_config.{PREFIX}tokens_file and {PREFIX}token_file name two files; remove the latter, its old name"
        )
    return path or old


def _port(extra: Mapping[str, Any], name: str) -> int | None:
    value: int = _get(extra, name, (int,), "a port", 0)
    return value or None


def _level(name: str) -> Role:
    try:
        return Role.named(name)
    except ValueError as error:
        raise ConfigError(f"extra_config.{PREFIX}max_access: {error}") from error
