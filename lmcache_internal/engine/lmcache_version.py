"""The version of the installed LMCache, for the runtimes of both of its modes."""

from __future__ import annotations

from .lmcache_names import load
from .runtime import EngineVersion


class LMCacheVersion(EngineVersion):
    """The version of LMCache."""

    @property
    def lmc_version(self) -> str:
        """LMCache's version."""
        return str(load("VERSION"))

    @property
    def commit_id(self) -> str:
        """The commit that LMCache was built from."""
        return str(load("COMMIT_ID"))

    @property
    def version(self) -> str:
        """Version and commit in one string."""
        return str(load("get_version")())
