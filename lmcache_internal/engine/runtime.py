"""What LMCache keeps in modules rather than in objects, behind one small protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, cast

from ..errors import EngineUnavailable
from .definitions import Definition


class Runtime(Protocol):
    """The surroundings of an engine: the embedded one's, or the installed LMCache's."""

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """The config keys that the engine knows."""

    @property
    def lmc_version(self) -> str:
        """The engine's version."""

    @property
    def commit_id(self) -> str:
        """The commit that the engine was built from."""

    @property
    def version(self) -> str:
        """Version and commit in one."""


def runtime_of(manager: Any) -> Runtime:
    """The runtime that belongs to `manager`: its own, else 503."""
    runtime = getattr(manager, "runtime", None)
    if runtime is None:
        raise EngineUnavailable(f"{type(manager).__name__} belongs to no engine that is known here.")
    return cast(Runtime, runtime)
