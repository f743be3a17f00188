"""Read the engine's YAML file, and warn of repeated keys, which YAML parsers ignore."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..conversion import shown, text_of
from ..errors import ConfigError
from ..redaction.log_lines import get_logger

logger = get_logger(__name__)


def read_config_file(path: str | Path) -> dict[str, Any]:
    """Return the keys and values of an engine's YAML file, and log a warning for each key that is given twice.

    Raises:
        ConfigError: the file cannot be read, or is not a YAML mapping.
    """
    try:
        loader = _Loader(text_of(Path(path).read_bytes()))
        loaded = loader.get_single_data()
    except OSError as error:
        raise ConfigError(f"Cannot read the configuration file {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    if loaded is not None and not isinstance(loaded, Mapping):
        raise ConfigError(f"{path} must contain `key: value` pairs, not a {type(loaded).__name__}")
    for key, line in loader.repeated:
        logger.warning("%s: the key %s is given twice; the value in line %d is used", path, key, line)
    return {str(key): value for key, value in (loaded or {}).items()}


class _Loader(yaml.SafeLoader):
    """A `yaml.SafeLoader` that records the keys that a mapping gives twice.

    Attributes:
        repeated: each repeated key, and the line of its last value.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.repeated: list[tuple[str, int]] = []

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return the mapping of `node`."""
        seen: set[str] = set()
        for key, _ in node.value:
            # Compare tag and text, because `1` and `"1"` are two keys. A key may override one that `<<` merges.
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                form = f"{key.tag} {key.value}"
                if form in seen:
                    self.repeated.append((shown(key.value), key.start_mark.line + 1))
                seen.add(form)
        return super().construct_mapping(node, deep)
