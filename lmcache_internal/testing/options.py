"""The options of a test: the mark `internal_api` and the ini option `internal_api_plugin_dirs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

MARK_NAME = "internal_api"
MARK = (
    f'{MARK_NAME}(*, config={{}}, plugin_dirs=[], role="worker"): the engine\'s configuration, the directories of the '
    'endpoint files (relative to the test file; they replace the ini option) and the role, "worker" or "scheduler". '
    "With several marks, each argument comes from the nearest mark that has it."
)
INI_OPTION = "internal_api_plugin_dirs"


class InternalAPIMark:
    """The arguments of `@pytest.mark.internal_api`.

    Args:
        config: keys and values of the engine's configuration.
        plugin_dirs: directories of `*_api.py` files, relative to the test file; None: those of the ini option.
        role: "worker" or "scheduler"; a scheduler has no engine.
    """

    def __init__(
        self,
        *,
        config: Mapping[str, Any] | None = None,
        plugin_dirs: Sequence[str | Path] | None = None,
        role: str = "worker",
    ) -> None:
        if role not in ("worker", "scheduler"):
            raise ValueError(f'role must be "worker" or "scheduler", got {role!r}')
        if isinstance(plugin_dirs, (str, Path)):
            raise TypeError(f"plugin_dirs must be a list of directories, got {plugin_dirs!r}")
        self.config = config or {}
        self.plugin_dirs = plugin_dirs
        self.role = role


def mark_of(request: pytest.FixtureRequest) -> InternalAPIMark:
    """Return the combined marks of the test, its class and its module; fails the test if a mark is invalid."""
    given: dict[str, Any] = {}
    try:
        for mark in request.node.iter_markers(MARK_NAME):
            InternalAPIMark(*mark.args, **mark.kwargs)  # Checks each mark, even if a nearer mark overrides it.
            given = {**mark.kwargs, **given}
    except (TypeError, ValueError) as error:
        raise pytest.fail.Exception(f"@pytest.mark.{MARK_NAME}: {error}", pytrace=False) from None
    return InternalAPIMark(**given)


def plugin_dirs_of(request: pytest.FixtureRequest) -> list[Path]:
    """Return the plugin directories of the test: those of its mark, or else of the ini option."""
    marked = mark_of(request).plugin_dirs
    if marked is not None:
        return [request.path.parent / directory for directory in marked]
    return [request.config.rootpath / directory for directory in request.config.getini(INI_OPTION)]
