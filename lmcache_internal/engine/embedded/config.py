"""The embedded engine's configuration, read from YAML and `LMCACHE_*` variables by one table of definitions."""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ...errors import ConfigError
from ...redaction.log_lines import get_logger
from ...settings.config_file import read_config_file
from ...settings.locations import expand_path
from ..definitions import Definition, TakesEffect
from ..sizes import LARGEST_FILE_SYSTEM, MACHINE_MEMORY, parse_gib
from .environment import ENV_PREFIX, variables_of

logger = get_logger(__name__)

CONFIG_FILE_VARIABLE = "LMCACHE_CONFIG_FILE"

Origin = Literal["arguments", "file", "env"]
_BACKEND: TakesEffect = "when its backend is recreated"
_MEMORY_FOR_CHUNKS = 5.0


def _directory(path: str) -> str | None:
    path = path.removeprefix("file://")
    if path.startswith("~") or "$" in path:
        raise ValueError("~ and $ are expanded only in the configuration file; give the full path")
    return path or None


DEFINITIONS: dict[str, Definition] = {
    "chunk_size": Definition(int, 256, mutable=False, minimum=1, description="Tokens per chunk."),
    "local_cpu": Definition(bool, True, description="Keep chunks in memory (hot cache).", takes_effect=_BACKEND),
    "max_local_cpu_size": Definition(
        float,
        _MEMORY_FOR_CHUNKS,
        minimum=0,
        maximum=max(_MEMORY_FOR_CHUNKS, MACHINE_MEMORY),
        from_text=parse_gib,
        description="Memory for chunks, in GiB, or with a unit: 5GB.",
        takes_effect=_BACKEND,
    ),
    "local_disk": Definition(
        str | None,
        env_converter=_directory,
        description="Directory for chunks; none when unset.",
        takes_effect=_BACKEND,
    ),
    "max_local_disk_size": Definition(
        float,
        0.0,
        minimum=0,
        maximum=LARGEST_FILE_SYSTEM,
        from_text=parse_gib,
        description="Disk space for chunks, in GiB, or with a unit: 5GB.",
        takes_effect=_BACKEND,
    ),
    "save_decode_cache": Definition(
        bool, False, description="Accepted for compatibility with LMCache; not used.", takes_effect="never"
    ),
    "pre_caching_hash_algorithm": Definition(
        Literal["sha256", "builtin"], "sha256", mutable=False, description="Hash function of chunk keys."
    ),
    "min_retrieve_tokens": Definition(
        int, 0, minimum=0, description="Smallest number of hit tokens that is retrieved.", takes_effect="at once"
    ),
    "pin_timeout_sec": Definition(
        int, 300, minimum=1, description="Seconds after which a pin is dropped.", takes_effect="at once"
    ),
    "pin_check_interval_sec": Definition(int, 30, minimum=1, mutable=False, description="Seconds between pin checks."),
    "lmcache_instance_id": Definition(
        str | None, mutable=False, description="Name of this instance; generated when unset."
    ),
    "internal_api_server_enabled": Definition(bool, False, mutable=False, description="Serve the internal API."),
    "internal_api_server_host": Definition(str, "127.0.0.1", mutable=False, description="Address to bind."),
    "internal_api_server_port_start": Definition(
        int, 6999, mutable=False, minimum=0, description="Port of the scheduler; worker n listens 1 + n higher."
    ),
    "internal_api_server_include_index_list": Definition(
        list[int] | None, mutable=False, description="Indices that serve: 0 scheduler, 1 + n worker n; all when unset."
    ),
    "internal_api_server_socket_path_prefix": Definition(
        str | None, mutable=False, description="Serve on the Unix socket `<prefix>_<port>` instead of the port."
    ),
    "run_script_api_enabled": Definition(
        bool | None,
        mutable=False,
        description="Whether POST /run_script runs scripts; when unset, only for local callers.",
    ),
    "script_allowed_imports": Definition(
        list[str] | None, mutable=False, description="Modules that scripts may import."
    ),
    "enable_chunk_statistics": Definition(
        bool, False, mutable=False, description="Count unique and total chunks of the scheduler's lookups."
    ),
    "extra_config": Definition(dict | None, description="More settings, by name.", takes_effect="at once"),
}


class EmbeddedConfig:
    """A configuration with LMCache's interface: one attribute per key of `DEFINITIONS`.

    Unknown keys are attributes, too, with unchanged values.

    Args:
        values: key to raw value; missing keys have their defaults.
        source: origin of the values, for messages.
        origin: the same, as `source_of` returns it.

    Raises:
        ConfigError: a value is invalid.
    """

    chunk_size: int
    enable_chunk_statistics: bool
    local_cpu: bool
    max_local_cpu_size: float
    local_disk: str | None
    max_local_disk_size: float
    min_retrieve_tokens: int
    pin_timeout_sec: int
    pin_check_interval_sec: int
    pre_caching_hash_algorithm: str
    lmcache_instance_id: str
    extra_config: dict[str, Any] | None

    def __init__(
        self, values: Mapping[str, Any] | None = None, source: str = "arguments", origin: Origin = "arguments"
    ) -> None:
        self.unknown: dict[str, Any] = {}
        self._loaded: dict[str, tuple[Origin, Any]] = {}
        for name, definition in DEFINITIONS.items():
            setattr(self, name, definition.default)
        self._set(values or {}, source, origin)
        self.lmcache_instance_id = self.lmcache_instance_id or f"embedded_{uuid.uuid4().hex}"

    @classmethod
    def from_file(cls, path: str | Path, environ: Mapping[str, str] | None = None) -> EmbeddedConfig:
        """Read a YAML file; `LMCACHE_<KEY>` in `environ` (default `os.environ`) takes precedence."""
        config = cls(read_config_file(path), source=str(path), origin="file")
        config._set_from_environment(environ)
        return config

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> EmbeddedConfig:
        """Read the file that `LMCACHE_CONFIG_FILE` names, if any, then the `LMCACHE_<KEY>` variables."""
        path = (os.environ if environ is None else environ).get(CONFIG_FILE_VARIABLE)
        if path:
            return cls.from_file(path, environ)
        config = cls()
        config._set_from_environment(environ)
        return config

    def override(self, values: Mapping[str, Any], source: str) -> None:
        """Set values that take precedence over the file and the environment.

        Args:
            values: key to raw value.
            source: origin of the values, for messages.

        Raises:
            ConfigError: a value is invalid.
        """
        self._set(values, source, "arguments")

    def get_extra_config_value(self, key: str, default: Any = None) -> Any:
        """Return the value of `key` in `extra_config`."""
        return (self.extra_config or {}).get(key, default)

    def to_dict(self) -> dict[str, Any]:
        """Return each key with its value, unknown keys last."""
        return {name: getattr(self, name) for name in (*DEFINITIONS, *self.unknown)}

    def source_of(self, name: str) -> Origin | Literal["default", "runtime"]:
        """Return the source of the value of `name`; "runtime" if it was changed after the start."""
        origin, value = self._loaded.get(name) or ("default", DEFINITIONS[name].default)
        return origin if getattr(self, name) == value else "runtime"

    def _set_from_environment(self, environ: Mapping[str, str] | None) -> None:
        for name, text in variables_of(os.environ if environ is None else environ, DEFINITIONS).items():
            variable = f"{ENV_PREFIX}{name.upper()}"
            before = getattr(self, name)
            given = name in self._loaded
            self._set({name: text}, f"environment variable {variable}", "env")
            if given and before != getattr(self, name):
                logger.warning(
                    "%s is set in the configuration file and by %s; the variable takes precedence", name, variable
                )

    def _set(self, values: Mapping[str, Any], source: str, origin: Origin) -> None:
        for name, value in values.items():
            if name in DEFINITIONS:
                try:
                    if name == "local_disk" and isinstance(value, str):
                        # Here, not over HTTP: callers who may change the configuration may not read the environment.
                        value = expand_path(name, value)
                    setattr(self, name, DEFINITIONS[name].convert(name, value))
                except ConfigError as error:
                    raise ConfigError(f"{error} ({source})") from error
            elif name.isidentifier() and not hasattr(self, name):
                self.unknown[name] = value
                setattr(self, name, value)
            else:
                raise ConfigError(f"{name!r} cannot be a configuration key ({source})")
            self._loaded[name] = (origin, copy.deepcopy(getattr(self, name)))
        if self.unknown and values.keys() & self.unknown.keys():
            logger.warning("Unknown configuration keys in %s are ignored: %s", source, ", ".join(self.unknown))
