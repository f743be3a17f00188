"""Import the modules of a package by name, so that a new file needs no registration."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def modules_of(package: str) -> dict[str, ModuleType]:
    """Return the modules of a package by their names, sorted."""
    path = importlib.import_module(package).__path__
    names = sorted(module.name for module in pkgutil.iter_modules(path))
    return {name: importlib.import_module(f"{package}.{name}") for name in names}
