"""Adds the plugins of a test to the config, and requires that they load."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ..app import InternalApp
from ..settings import PREFIX, Settings, extra_config

_KEY = PREFIX + "plugin_dirs"


def offer(config: Any, directories: Sequence[Path]) -> None:
    """Add the directories to those in the engine's config."""
    if directories:
        extra = dict(extra_config(config))
        known = Settings.of(config).plugin_dirs
        config.extra_config = {**extra, _KEY: [*map(str, (*known, *directories))]}


def require_all(app: InternalApp) -> None:
    """Fail the test unless every plugin is served."""
    if failed := app.extensions["lmcache_internal"].failed:
        reasons = (f"Endpoint plugin {source} is not served: {reason}" for source, reason in failed.items())
        pytest.fail("\n".join(reasons), pytrace=False)
