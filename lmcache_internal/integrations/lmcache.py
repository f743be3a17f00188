"""LMCache with this server in the place of its own, without editing LMCache.

- `install()` makes LMCache build this server wherever it would build its own.
- vLLM calls `vllm_plugin` in each of its processes (entry point `vllm.general_plugins`); it
  acts by the variable LMCACHE_INTERNAL_API_SERVER.
- `python -m lmcache_internal.integrations.lmcache …` runs LMCache's standalone engine so.

The first two import nothing of LMCache, which takes seconds: its server is replaced when LMCache is imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec

from ..log_lines import get_logger
from .takeover import Takeover

logger = get_logger(__name__)

VARIABLE = "LMCACHE_INTERNAL_API_SERVER"
OURS = "lmcache_internal"
OURS_OR_THEIRS = "lmcache_internal?"
THEIRS = "lmcache"

_takeover: Takeover | None = None


def install(falls_back: bool = False) -> None:
    """Make LMCache build this server wherever it would build its own; does nothing when called again.

    Args:
        falls_back: let LMCache build its own, which asks for no token, where this one cannot be built;
            otherwise nothing is served then.

    Raises:
        ImportError: LMCache is not installed.
    """
    if "lmcache" not in sys.modules and find_spec("lmcache") is None:
        raise ImportError("LMCache is not installed: there is no module lmcache")
    _begin(Takeover(falls_back))


def uninstall() -> None:
    """Give LMCache its own server back; servers that are built already stay what they are."""
    global _takeover  # What it replaces is one per process, too.
    if _takeover is not None:
        _takeover.end()
        _takeover = None


def vllm_plugin() -> None:
    """VLLM's plugin hook: act by the variable LMCACHE_INTERNAL_API_SERVER; without it, do nothing."""
    value = os.environ.get(VARIABLE, "")
    if value in ("", THEIRS):
        return
    if value in (OURS, OURS_OR_THEIRS):
        _begin(Takeover(falls_back=value == OURS_OR_THEIRS))
    else:
        # Rather a typing error in what asks for this server than a wish for one that asks for no token.
        _begin(Takeover(refusal=f"{VARIABLE}={value!r}: expected {OURS}, {OURS_OR_THEIRS} or {THEIRS}"))


def _begin(takeover: Takeover) -> None:
    global _takeover  # Likewise.
    if _takeover is None:
        _takeover = takeover
        takeover.begin()


def _run_standalone() -> None:
    import runpy

    from ..engine import lmcache_names

    install()
    runpy.run_module(lmcache_names.module_of("main"), run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # As `python -m`, this file is `__main__`; LMCache must get the one class that `uninstall` knows.
    importlib.import_module("lmcache_internal.integrations.lmcache")._run_standalone()
