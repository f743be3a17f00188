"""A vLLM plugin that lets LMCache copy KV on CPU. It does not import LMCache before vLLM does."""

from __future__ import annotations

import sys
from types import ModuleType

from lmcache_internal.integrations.import_hook import ImportHook

HOME = "lmcache.v1.gpu_connector"


def register() -> None:
    sys.meta_path.insert(0, ImportHook(_patch))


def _patch(module: ModuleType) -> None:
    if module.__name__ == HOME:
        from .patch import patch

        patch(module)
