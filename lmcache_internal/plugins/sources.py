"""Finds endpoint files and entry points, and loads each once per process."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from types import ModuleType
from typing import cast

from flask import Blueprint
from msgspec import Struct

from ..engine.kinds import DEFAULT_KINDS, KINDS, EngineKind
from .report import PluginError

ENTRY_POINT_GROUP = "lmcache_internal.blueprints"
_ENGINES = re.compile(r"^engines = (\(.*\))$", re.MULTILINE)
BUILTIN_PACKAGE = "lmcache_internal.blueprints"


class Source(Struct, frozen=True):
    """An endpoint file or entry point.

    Attributes:
        name: file path or entry point.
        load: returns a module with a `router`, or a Blueprint; raises `PluginError`.
        builtin: whether it is part of this package.
    """

    name: str
    load: Callable[[], object]
    builtin: bool = False


def find(directories: Iterable[Path]) -> Iterator[Source]:
    """Return the built-in endpoint files, those in `directories`, and the entry points of installed packages."""
    yield from _builtin_files()
    for directory in directories:
        digest = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:12]
        yield from _files(directory, f"lmcache_internal_plugins_{digest}")
    for point in sorted(_entry_points(), key=lambda point: point.name):
        yield Source(f"entry point {point.name} ({point.value})", functools.partial(_load, point.load))


def router_of(loaded: object) -> Blueprint:
    """Return the Blueprint of a loaded source; raises `PluginError` if it has none."""
    router = getattr(loaded, "router", None) if isinstance(loaded, ModuleType) else loaded
    if router is None:
        raise PluginError("it has no `router`; define `router = Blueprint(...)` with routes")
    if not isinstance(router, Blueprint):
        raise PluginError(f"its `router` is a {type(router).__name__}, not a flask.Blueprint")
    return router


def kinds_of(loaded: object) -> tuple[EngineKind, ...]:
    """The kinds of engines that a source declares its endpoints for; raises `PluginError` for an unknown kind."""
    declared = getattr(loaded, "engines", DEFAULT_KINDS) if isinstance(loaded, ModuleType) else DEFAULT_KINDS
    if not isinstance(declared, tuple) or not declared or any(kind not in KINDS for kind in declared):
        expected = " or ".join(map(repr, KINDS))
        raise PluginError(f"its `engines` must be a tuple of {expected}, such as engines = ('mp',); got {declared!r}")
    return declared


@functools.cache
def written_kinds(file: str) -> tuple[EngineKind, ...]:
    """Return the kinds that a built-in endpoint file declares, without its import.

    The files for MP servers take 12 ms to import, which no in-process engine should pay for.
    """
    found = _ENGINES.search(Path(file).read_text(encoding="utf-8"))
    return cast("tuple[EngineKind, ...]", ast.literal_eval(found[1])) if found else DEFAULT_KINDS


def _entry_points() -> Iterable[EntryPoint]:
    # `entry_points()` parses all groups, which takes three times as long.
    texts = ((package, package.read_text("entry_points.txt") or "") for package in distributions())
    ours = [package for package, text in texts if ENTRY_POINT_GROUP in text]
    # A package may be on the path twice.
    return dict.fromkeys(point for package in ours for point in package.entry_points.select(group=ENTRY_POINT_GROUP))


def _files(directory: Path, package: str, builtin: bool = False) -> Iterator[Source]:
    if not directory.is_dir():
        yield Source(str(directory), _no_directory)
        return
    if not builtin:
        importlib.invalidate_caches()  # A file may be newer than the cached listing of its directory.
    if package not in sys.modules:
        # The directory becomes a package, so that its files can import one another as `.name`.
        module = sys.modules[package] = ModuleType(package)
        module.__path__ = [str(directory)]
    for file in sorted(directory.glob("*_api.py")):
        if file.match("test_*_api.py"):
            continue  # The test of an endpoint file.
        yield Source(str(file), functools.partial(_load_file, f"{package}.{file.stem}", directory), builtin)


@functools.cache
def _builtin_files() -> tuple[Source, ...]:
    package = Path(__file__).parent.parent
    # An installed package contains the endpoints; in a checkout, they are beside it.
    directory = next(d for d in (package / "blueprints", package.parent / "blueprints") if d.is_dir())
    return tuple(_files(directory, BUILTIN_PACKAGE, builtin=True))


def _no_directory() -> object:
    raise PluginError("no such directory")


_failures: dict[str, PluginError] = {}
"""Module name to the first error of its import. A second import would report a consequence of the first instead, such
as a metric that is already registered."""


def _load_file(module: str, directory: Path) -> object:
    """Import an endpoint file once per process, because it may create objects that must be unique, such as metrics."""
    if module in _failures:
        raise _failures[module]
    try:
        return _load(functools.partial(importlib.import_module, module))
    except PluginError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError) and cause.name and (directory / f"{cause.name}.py").is_file():
            error = PluginError(
                f"it fails to import {cause.name}.py, which is beside it: write `from .{cause.name} import …`",
                error.public,
            )
            error.__cause__ = cause
        _failures[module] = error
        raise error from cause


def _load(load: Callable[[], object]) -> object:
    try:
        return load()
    except (Exception, SystemExit) as error:  # A plugin may raise anything; the others must still load.
        raise PluginError.of("it fails to import", error) from error
