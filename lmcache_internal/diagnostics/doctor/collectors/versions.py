"""The versions of the installed packages."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ....engine.select import runtime_of
from ....version import __version__
from ...checks import Subject

FIELDS = {
    "lmcache": "the version of the engine, as in `GET /lmc_version`",
    "lmcache_internal": "the version of this package",
    "vllm": "the installed version of vLLM; null if there is none",
}


def collect(subject: Subject) -> dict[str, Any]:
    """Return the versions."""
    return {
        "lmcache": runtime_of(subject.manager).lmc_version,
        "lmcache_internal": __version__,
        "vllm": _installed("vllm"),
    }


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
