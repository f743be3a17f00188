"""The settings of this server in MP mode: a YAML file with the same keys as in an engine's configuration.

LMCache's MP server has no configuration with room for them: it takes its own options from the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ConfigError
from ...settings import PREFIX
from ...settings.config_file import read_config_file

_ADDRESS = {"host": "--http-host", "port_start": "--http-port"}
_KEYS = frozenset({f"{PREFIX}socket_path_prefix", "extra_config", "run_script_api_enabled", "script_allowed_imports"})


class MPConfig:
    """The attributes that `Settings` and `/run_script` read.

    Args:
        host: the address to bind.
        port: the TCP port.
        values: further keys, see `read`.

    Raises:
        ConfigError: a key is not known here; the message lists the known ones.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 8080, values: Mapping[str, Any] | None = None) -> None:
        values = dict(values or {})
        for name, option in _ADDRESS.items():
            if PREFIX + name in values:
                raise ConfigError(f"{PREFIX}{name}: in MP mode, the address is set by {option}; remove the key")
        unknown = sorted(values.keys() - _KEYS)
        if unknown:
            raise ConfigError(f"{unknown[0]}: unknown key in MP mode; known are: {', '.join(sorted(_KEYS))}")
        self.internal_api_server_enabled = True
        self.internal_api_server_host = host
        self.internal_api_server_port_start = port
        self.internal_api_server_include_index_list: list[int] | None = None
        self.internal_api_server_socket_path_prefix = values.get(f"{PREFIX}socket_path_prefix")
        self.extra_config: dict[str, Any] | None = values.get("extra_config")
        self.run_script_api_enabled: bool | None = values.get("run_script_api_enabled")
        self.script_allowed_imports: list[str] = values.get("script_allowed_imports") or []

    @classmethod
    def read(cls, host: str, port: int, path: str | Path | None) -> MPConfig:
        """Return the settings of the file at `path`, or the defaults without one.

        Raises:
            ConfigError: the file cannot be read, or has a key that is not known here.
        """
        return cls(host, port, read_config_file(path) if path else None)
