"""prometheus_client's multi-process mode, which `PROMETHEUS_MULTIPROC_DIR` turns on for the whole process."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import values

from ..errors import ConfigError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_OLD_VARIABLE = "prometheus_multiproc_dir"


def in_use() -> bool:
    """Whether values stand in files, by what was in the environment when prometheus_client was imported.

    LMCache sets the variable by itself later on, without an effect.
    """
    return values.ValueClass is not values.MutexValue


def make_directory() -> None:
    """Make the directory of the files, where the mode is in use: metrics cannot be created without it.

    Raises:
        ConfigError: it cannot be made.
    """
    text = os.environ.get(VARIABLE) or os.environ.get(_OLD_VARIABLE)
    if not in_use() or not text:
        return
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{VARIABLE}={text!r}: the directory cannot be made: {error.strerror}") from error
