"""The embedded engine's configuration: one table, read from YAML and `LMCACHE_*` variables."""

from __future__ import annotations

import copy
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from ...config_file import read_config_file
from ...errors import ConfigError
from ...locations import expand_path
from ...log_lines import get_logger
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
        raise ValueError("~ and $ are expanded in the configuration file alone; give the path itself")
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
        bool, False, description="Kept for LMCache's sake: there is no decoding here.", takes_effect="never"
    ),
    "min_retrieve_tokens": Definition(
        int, 0, minimum=0, description="Fewer hit tokens than this are not retrieved.", takes_effect="at once"
    ),
    "pin_timeout_sec": Definition(
        int, 300, minimum=1, description="Seconds after which a pin is dropped.", takes_effect="at once"
    ),
    "pin_check_interval_sec": Definition(int, 30, minimum=1, mutable=False, description="Seconds between pin checks."),
    "lmcache_instance_id": Definition(str | None, mutable=False, description="Name of this instance; made when unset."),
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
        bool | None, mutable=False, description="Whether POST /run_script runs scripts; unset: for local callers only."
    ),
    "script_allowed_imports": Definition(
        list[str] | None, mutable=False, description="Modules that scripts may import."
    ),
    "enable_chunk_statistics": Definition(
        bool, False, mutable=False, description="Let the scheduler count unique and total chunks of its lookups."
    ),
    "extra_config": Definition(dict | None, description="Further settings, by name.", takes_effect="at once"),
}


class EmbeddedConfig:
    """A configuration of LMCache's shape: one attribute per key of `DEFINITIONS`.

    Keys that the table lacks are kept as they are, and are attributes too.

    Args:
        values: key to raw value; what is missing takes its default.
        source: where the values come from, for messages.
        origin: the same as `source_of` tells it.

    Raises:
        ConfigError: a value does not fit its definition.
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
        """Read a YAML file, then let `LMCACHE_<KEY>` of `environ` (default `os.environ`) win."""
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
        """Set what wins over the file and the environment; raises `ConfigError` as the constructor does.

        Args:
            values: key to raw value.
            source: who sets them, for messages.
        """
        self._set(values, source, "arguments")

    def get_extra_config_value(self, key: str, default: Any = None) -> Any:
        """The value of `key` in `extra_config`."""
        return (self.extra_config or {}).get(key, default)

    def to_dict(self) -> dict[str, Any]:
        """Every key with its value, the unknown ones last."""
        return {name: getattr(self, name) for name in (*DEFINITIONS, *self.unknown)}

    def source_of(self, name: str) -> Origin | Literal["default", "runtime"]:
        """Where the value of `name` comes from; "runtime" where it is not the one that was read at the start."""
        origin, value = self._loaded.get(name) or ("default", DEFINITIONS[name].default)
        return origin if getattr(self, name) == value else "runtime"

    def _set_from_environment(self, environ: Mapping[str, str] | None) -> None:
        for name, text in variables_of(os.environ if environ is None else environ, DEFINITIONS).items():
            variable = f"{ENV_PREFIX}{name.upper()}"
            before = getattr(self, name)
            given = name in self._loaded
            self._set({name: text}, f"environment variable {variable}", "env")
            if given and before != getattr(self, name):
                logger.warning("%s is given in the configuration file and by %s; the variable counts", name, variable)

    def _set(self, values: Mapping[str, Any], source: str, origin: Origin) -> None:
        for name, value in values.items():
            if name in DEFINITIONS:
                try:
                    if name == "local_disk" and isinstance(value, str):
                        # Here, not over HTTP: whoever may change the configuration need not read the environment.
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
            logger.warning("Unknown configuration keys in %s are kept, unused: %s", source, ", ".join(self.unknown))
