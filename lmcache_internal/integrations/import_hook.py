"""An import hook that reports each module of LMCache. The hook itself imports nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

PACKAGE = "lmcache."

Listener = Callable[[ModuleType], None]


class ImportHook(MetaPathFinder):
    """Calls `listener` with each module of LMCache after its code ran, before the importing module receives it.

    Args:
        listener: a function that must not raise, because the import would fail.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._searches: set[tuple[int, str]] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of LMCache with the other finders, and wrap its loader to report the module."""
        # Other hooks may also call all finders, including this one. Without this check, the calls would never end.
        search = (threading.get_ident(), fullname)
        if not fullname.startswith(PACKAGE) or search in self._searches:
            return None
        self._searches.add(search)
        try:
            others = (finder for finder in list(sys.meta_path) if finder is not self)
            found = (finder.find_spec(fullname, path, target) for finder in others)
            spec = next((spec for spec in found if spec is not None), None)
        finally:
            self._searches.discard(search)
        if spec is not None and spec.loader is not None:
            spec.loader = _ReportingLoader(spec.loader, self._listener)
        return spec


class _ReportingLoader(Loader):
    """A wrapper of a module's loader. It restores the original loader before the module's code runs."""

    def __init__(self, loader: Loader, listener: Listener) -> None:
        self._loader = loader
        self._listener = listener

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._listener(module)

    def __getattr__(self, name: str) -> Any:
        # runpy needs get_code, and importlib.resources needs the resource reader.
        return getattr(object.__getattribute__(self, "_loader"), name)
