"""Parts of the measured processes. It imports little, because imports are measured, too."""

from __future__ import annotations

import importlib
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

HOMES = {"ours": "lmcache_internal", "lmcache": "lmcache.v1.internal_api_server.api_server"}


def server_class(kind: str) -> Any:
    """Return the class of a server."""
    return importlib.import_module(HOMES[kind]).InternalAPIServer


def manager_without_engine(values: dict[str, Any]) -> Any:
    """Return a scheduler's manager that has only a configuration of LMCache."""
    from lmcache.v1.config import LMCacheEngineConfig

    return SimpleNamespace(config=LMCacheEngineConfig.from_defaults(**values), lmcache_engine=None)


def resident_bytes(pid: int | str = "self") -> int:
    """Return the resident memory of a process, of this one by default, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
