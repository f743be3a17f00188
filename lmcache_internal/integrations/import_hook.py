"""An import hook that is told of each module of LMCache; it imports nothing itself."""

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
    """Call `listener` with each module of LMCache when its code has run, before its importer gets it.

    Args:
        listener: must not raise: the import would fail.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._searches: set[tuple[int, str]] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of LMCache with the finders that are there, and have its loader tell of it."""
        # Other hooks ask all finders, too, this one among them: it must not ask them in return.
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
            spec.loader = _TellingLoader(spec.loader, self._listener)
        return spec


class _TellingLoader(Loader):
    """A module's own loader, which takes its place again when the module's code runs."""

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
        # runpy asks for get_code, importlib.resources for its reader.
        return getattr(object.__getattribute__(self, "_loader"), name)
