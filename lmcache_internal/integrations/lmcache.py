"""Replace LMCache's internal API server with this server, without editing LMCache.

- `install()` makes LMCache create this server instead of its own.
- vLLM calls `vllm_plugin` in each of its processes (entry point `vllm.general_plugins`). It reads the variable
  LMCACHE_INTERNAL_API_SERVER.
- `python -m lmcache_internal.integrations.lmcache …` runs LMCache's standalone engine with this server.

The first two do not import LMCache, which takes seconds. They replace its server when LMCache is imported.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.util import find_spec

from ..redaction.log_lines import get_logger
from .takeover import Takeover

logger = get_logger(__name__)

VARIABLE = "LMCACHE_INTERNAL_API_SERVER"
_REPLACE = "lmcache_internal"
_REPLACE_OR_FALL_BACK = "lmcache_internal?"
_KEEP = "lmcache"

_takeover: Takeover | None = None


def install(falls_back: bool = False) -> None:
    """Make LMCache create this server instead of its own. Further calls do nothing.

    Args:
        falls_back: create LMCache's own server, which requires no token, if this server cannot be created. Otherwise
            nothing is served in this case.

    Raises:
        ImportError: LMCache is not installed.
    """
    if "lmcache" not in sys.modules and find_spec("lmcache") is None:
        raise ImportError("LMCache is not installed: there is no module lmcache")
    _begin(Takeover(falls_back))


def uninstall() -> None:
    """Restore LMCache's own server. Servers that already exist do not change."""
    global _takeover  # The classes of LMCache are also one per process.
    if _takeover is not None:
        _takeover.end()
        _takeover = None


def vllm_plugin() -> None:
    """Replace the server if the variable LMCACHE_INTERNAL_API_SERVER says so. This is the plugin hook for vLLM."""
    value = os.environ.get(VARIABLE, "")
    if value in ("", _KEEP):
        return
    if value in (_REPLACE, _REPLACE_OR_FALL_BACK):
        _begin(Takeover(falls_back=value == _REPLACE_OR_FALL_BACK))
    else:
        # The value is probably a misspelled request for this server. Do not serve LMCache's, which requires no token.
        _begin(Takeover(refusal=f"{VARIABLE}={value!r}: expected {_REPLACE}, {_REPLACE_OR_FALL_BACK} or {_KEEP}"))


def _begin(takeover: Takeover) -> None:
    global _takeover  # The classes of LMCache are also one per process.
    if _takeover is None:
        _takeover = takeover
        takeover.begin()


def _run_standalone() -> None:
    import runpy

    from ..engine import lmcache_names

    install()
    runpy.run_module(lmcache_names.module_of("main"), run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    # With `python -m`, this file is `__main__`. LMCache must get the class of the imported module, for `uninstall`.
    importlib.import_module("lmcache_internal.integrations.lmcache")._run_standalone()
