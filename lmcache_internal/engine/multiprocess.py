"""prometheus_client's multi-process mode, which `PROMETHEUS_MULTIPROC_DIR` enables for the whole process."""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import values

from ..errors import ConfigError

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_OLD_VARIABLE = "prometheus_multiproc_dir"


def in_use() -> bool:
    """Return whether values are in files, as the environment required when prometheus_client was imported.

    LMCache sets the variable later, which has no effect.
    """
    return values.ValueClass is not values.MutexValue


def make_directory() -> None:
    """Create the directory of the files if the mode is in use, because metrics cannot be created without it.

    Raises:
        ConfigError: the directory cannot be created.
    """
    text = os.environ.get(VARIABLE) or os.environ.get(_OLD_VARIABLE)
    if not in_use() or not text:
        return
    try:
        Path(text).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{VARIABLE}={text!r}: the directory cannot be created: {error.strerror}") from error
