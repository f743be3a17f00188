"""Finds endpoint files and their `router`, and mounts each that works; reports those that do not."""

from __future__ import annotations

import hashlib
import importlib
import logging
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from flask import Blueprint, Flask
from msgspec import Struct

from .redaction import redact, redact_trace

if TYPE_CHECKING:
    from .app import InternalApp

logger = logging.getLogger(__name__)
logger.addFilter(redact_trace)

ENTRY_POINT_GROUP = "lmcache_internal.blueprints"
BUILTIN_PACKAGE = "lmcache_internal.blueprints"

Route = tuple[str, str]
"""A method and a path pattern without its variables' names."""


class PluginError(Exception):
    """Why an endpoint file cannot be mounted."""


class Plugins(Struct):
    """What became of each endpoint file; stands in `app.extensions["lmcache_internal"]`.

    Attributes:
        loaded: file path or entry point of each mounted plugin, in mounting order.
        failed: file path or entry point of each broken plugin, with the reason.
    """

    loaded: list[str] = []
    failed: dict[str, str] = {}


class _Candidate(Struct, frozen=True):
    source: str
    load: Callable[[], ModuleType]
    builtin: bool = False


def mount_plugins(app: InternalApp, directories: Iterable[Path]) -> Plugins:
    """Register the built-in endpoints, those of `directories` and those of installed packages.

    Args:
        app: where to register; routes that it has already are never replaced.
        directories: searched for `*_api.py` in the given order, by file name within each;
            `test_*_api.py` are taken for tests.

    Returns:
        The report. Two plugins may use one blueprint name; the later is renamed.

    Raises:
        PluginError: a built-in endpoint file is broken; a user's only lands in the report.
    """
    plugins = Plugins()
    taken: dict[Route, str] = {}
    scratch = Flask("scratch", static_folder=None)
    scratch.url_rule_class = app.url_rule_class
    scratch.state = app.state  # type: ignore[attr-defined]  # A plugin's set-up may look at the engine.
    for candidate in _candidates(directories):
        try:
            router = _router_of(candidate)
            # A built-in one needs no trial: where it fails, there is no app.
            routes = _routes_of(router, app if candidate.builtin else scratch)
            _refuse_clashes(routes, taken)
        except PluginError as error:
            if candidate.builtin:
                raise PluginError(f"{candidate.source}: {error}") from error
            reason = redact(str(error))
            logger.error("Endpoint plugin %s is not served: %s", candidate.source, reason, exc_info=error.__cause__)
            plugins.failed[candidate.source] = str(error)
            continue
        if not candidate.builtin:
            name = _free_name(router.name, app)
            app.register_blueprint(router, name=name)
            app.bulkheads.add(app, name)
        taken.update(dict.fromkeys(routes, candidate.source))
        plugins.loaded.append(candidate.source)
    return plugins


def _candidates(directories: Iterable[Path]) -> Iterator[_Candidate]:
    package = Path(__file__).parent
    # Installed, the endpoints stand inside the package; in a plain checkout, beside it.
    builtin = next(d for d in (package / "blueprints", package.parent / "blueprints") if d.is_dir())
    yield from _files(builtin, BUILTIN_PACKAGE, builtin=True)
    for directory in directories:
        digest = hashlib.sha256(str(directory.absolute()).encode()).hexdigest()[:12]
        yield from _files(directory, f"lmcache_internal_plugins_{digest}")
    for point in sorted(_entry_points(), key=lambda point: point.name):
        yield _Candidate(f"entry point {point.name} ({point.value})", point.load)


def _entry_points() -> Iterable[EntryPoint]:
    # `entry_points()` reads those of all groups, which takes three times as long.
    texts = ((package, package.read_text("entry_points.txt") or "") for package in distributions())
    ours = [package for package, text in texts if ENTRY_POINT_GROUP in text]
    # A package may be found twice.
    return dict.fromkeys(point for package in ours for point in package.entry_points.select(group=ENTRY_POINT_GROUP))


def _files(directory: Path, package: str, builtin: bool = False) -> Iterator[_Candidate]:
    if not directory.is_dir():
        yield _Candidate(str(directory), lambda: _fail("there is no such directory"))
        return
    if not builtin:
        # Read anew for each app, so that a changed file counts and apps share no state.
        for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
            del sys.modules[name]
        importlib.invalidate_caches()
    if package not in sys.modules:
        # A package that consists of the directory lets its files import one another as `.name`.
        module = sys.modules[package] = ModuleType(package)
        module.__path__ = [str(directory)]
    for file in sorted(directory.glob("*_api.py")):
        if file.match("test_*_api.py"):
            continue  # It tests the endpoint file beside it.
        yield _Candidate(str(file), _importer(f"{package}.{file.stem}"), builtin)


def _importer(name: str) -> Callable[[], ModuleType]:
    return lambda: importlib.import_module(name)


def _fail(reason: str) -> ModuleType:
    raise PluginError(reason)


def _router_of(candidate: _Candidate) -> Blueprint:
    try:
        loaded = candidate.load()
    except PluginError:
        raise
    except (Exception, SystemExit) as error:  # A plugin's code may fail in any way; the others must still load.
        raise PluginError(f"it fails to import: {type(error).__name__}: {error}") from error
    router = getattr(loaded, "router", None) if isinstance(loaded, ModuleType) else loaded
    if router is None:
        raise PluginError("it has no `router`; end it with `router = Blueprint(...)` and its routes")
    if not isinstance(router, Blueprint):
        raise PluginError(f"its `router` is a {type(router).__name__}, not a flask.Blueprint")
    return router


def _routes_of(router: Blueprint, app: Flask) -> list[Route]:
    """Register the blueprint on `app`; return the routes that it makes there."""
    name = _free_name(router.name, app)
    try:
        app.register_blueprint(router, name=name)
    except Exception as error:  # Deferred set-up functions are the plugin's code, too.
        raise PluginError(f"its blueprint cannot be registered: {type(error).__name__}: {error}") from error
    return [
        (method, re.sub(r"<(?:(?:string|([^:<>]+)):)?[^<>]+>", r"<\1>", rule.rule).rstrip("/") or "/")
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(f"{name}.")
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
    ]


def _refuse_clashes(routes: list[Route], taken: dict[Route, str]) -> None:
    for route, count in Counter(routes).items():
        if route in taken or count > 1:
            owner = taken.get(route, "itself, twice")
            raise PluginError(f"its route {' '.join(route)} clashes with that of {owner}")


def _free_name(name: str, app: Flask) -> str:
    candidates = [name, *(f"{name}_{number}" for number in range(2, 2 + len(app.blueprints)))]
    return next(candidate for candidate in candidates if candidate not in app.blueprints)
