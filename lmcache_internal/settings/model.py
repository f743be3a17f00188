"""Read and check the `internal_api_server_*` settings in the config of an engine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from msgspec import Struct

from ..errors import ConfigError
from ..redaction.log_lines import get_logger
from ..roles import Role
from .locations import bound_host, expand_path, socket_prefix

logger = get_logger(__name__)

PREFIX = "internal_api_server_"
_PATH = (str, os.PathLike)
_DATA = (type(None), str, int, float, bytes, list, tuple, dict, Sequence, Set, Mapping, os.PathLike)

MAX_BODY_BYTES = 1 << 20
"""The maximum size of a request body, JSON or script: 1 MiB. A larger body gets 413."""
PUBLIC_BODY_BYTES = 16 << 10
"""The maximum on public routes that read no body: 16 KiB. So anonymous clients cannot use up the memory for bodies."""
LARGE_BODY_BYTES = 8 << 20
"""The maximum on routes that take many tokens or keys: 8 MiB. LMCache's coordinator sends up to 7.0 MB (1,000,000
tokens) or 4.9 MB (10,000 keys with a model name of 200 characters)."""

MOST_SCRIPTS = 8
"""The maximum of `max_scripts`. With eight scripts that use the CPU, a request already takes seconds."""


class Settings(Struct, frozen=True):
    """The settings of the server.

    Attributes:
        enabled: whether the server runs.
        host: the address to bind.
        port_start: port of the scheduler (index 0); worker n listens on this + 1 + n.
        include_indices: indices of the processes that serve: 0 is the scheduler, 1 + n is worker n. Empty means all.
        socket_path_prefix: listen on the Unix socket `<prefix>_<port>` instead of the port.
        plugin_dirs: further directories of `*_api.py` files.
        tokens_file: file with the names, roles and hashes of the valid tokens; `lmcache-internal token new` creates it.
        tokens_file_strict: refuse a tokens file that users other than its owner may read, not only one they may change.
        max_access: the highest role of any client; `viewer` makes the server read-only.
        allowed_hosts: further names of the server in Host headers; `.example.com` is that name and all its subdomains.
        trust_loopback: behind another WSGI server, trust that REMOTE_ADDR is the address of the client.
        audit_file: file for the audit log, in addition to the logger.
        public_host: the address of the public listener.
        public_port_start: port (+ index) of a second listener, which serves only public routes.
        script_timeout: seconds after which a script is stopped.
        max_scripts: number of scripts that may run at once in one process, 1 to 8. A script that uses the CPU delays
            all requests.
        call_timeout: timeout of a call into the engine in seconds; after it, the response is 504.
        keep_gil: keep the GIL while the bytes of a request or response are copied.
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
        """Read the settings of `config`, any object with the config attributes of LMCache.

        An attribute with a value that a configuration file cannot contain, such as that of a mock, counts as absent.

        Raises:
            ConfigError: a value has the wrong type or range. The message contains its key.
        """
        extra, default = extra_config(config), cls()
        return cls(
            enabled=_attribute(config, "enabled", (bool,), "true or false", default.enabled),
            host=bound_host(_attribute(config, "host", (str,), "an address", "") or default.host),
            port_start=_attribute(config, "port_start", (int,), "a port", default.port_start),
            include_indices=_indices(config),
            socket_path_prefix=_socket_prefix(config),
            plugin_dirs=tuple(_expanded("plugin_dirs", text) for text in _strings(extra, "plugin_dirs")),
            tokens_file=_tokens_file(extra),
            tokens_file_strict=_flag(extra, "tokens_file_strict", default.tokens_file_strict),
            max_access=_role(extra, "max_access", default.max_access),
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
    """The settings of a config that may change while the server runs.

    Args:
        settings: the settings at the start.
    """

    def __init__(self, settings: Settings) -> None:
        self._valid = settings
        self._last_error = ""

    def of(self, config: Any) -> Settings:
        """Return the current settings of `config`; if one is invalid, log it once and return the last valid ones."""
        try:
            self._valid = Settings.of(config)
        except ConfigError as error:
            if str(error) != self._last_error:
                self._last_error = str(error)
                logger.warning("The settings of the server stay unchanged, because one is invalid: %s", error)
        return self._valid


def extra_config(config: Any) -> Mapping[str, Any]:
    """Return `extra_config` of the config, for the settings that LMCache's schema does not have; empty if absent.

    Raises:
        ConfigError: it is not a mapping of names to values.
    """
    found = _data(getattr(config, "extra_config", None))
    if found is not None and not isinstance(found, Mapping):
        # The message does not quote the value, because it may contain passwords.
        raise ConfigError(f"extra_config: expected a mapping of names to values, got a {type(found).__name__}")
    return found or {}


def warn_of_old_names(config: Any) -> None:
    """Log a warning for each setting of `config` that has an old name."""
    if extra_config(config).get(f"{PREFIX}token_file"):
        logger.warning(
            "extra_config.%stoken_file is deprecated, because the file contains several tokens; "
            "rename the key to %stokens_file",
            PREFIX,
            PREFIX,
        )


def _data(value: Any) -> Any:
    """Return the value if a configuration file or a variable can contain it; otherwise None."""
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
            f"extra_config.{PREFIX}tokens_file and {PREFIX}token_file name two files; "
            f"remove {PREFIX}token_file, which is the old name"
        )
    return path or old


def _port(extra: Mapping[str, Any], name: str) -> int | None:
    value: int = _get(extra, name, (int,), "a port", 0)
    return value or None


def _role(extra: Mapping[str, Any], name: str, default: Role) -> Role:
    try:
        return Role.named(_get(extra, name, (str,), "a role", str(default)))
    except ValueError as error:
        raise ConfigError(f"extra_config.{PREFIX}{name}: {error}") from error
