"""Mounts the blueprint of each source in an app, and reports the sources that fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..engine.kinds import EngineKind, kind_of
from ..operations.flask_fastpath import LeanFlask
from ..redaction import redact, redact_trace
from ..redaction.log_lines import get_logger
from .checks import Route, app_wide, free_name, reads_without_access, refuse_clashes, refuse_misuse, routes_of, rules_of
from .health_checks import health_checks_of, in_context
from .page import page_of
from .report import PluginError, Plugins
from .sources import Source, find, kinds_of, router_of, written_kinds

if TYPE_CHECKING:
    from ..app import InternalApp

logger = get_logger(__name__)
logger.addFilter(redact_trace)


def mount_plugins(app: InternalApp, directories: Iterable[Path]) -> Plugins:
    """Register the built-in endpoints, those in `directories` and those of installed packages.

    A file is loaded once per process, and its blueprint is registered in each app that serves an engine of a kind
    that the file declares (`engines`, beside its `router`).

    Args:
        app: the app; its existing routes are never replaced.
        directories: searched for `*_api.py` in the given order, by file name within each;
            `test_*_api.py` are tests and are skipped.

    Returns:
        The report. If two plugins use one blueprint name, the second is renamed.

    Raises:
        PluginError: a built-in endpoint file fails to load; a failing plugin is only reported.
    """
    plugins, kind = Plugins(), kind_of(app.state.lmcache_adapter)
    taken: dict[Route, str] = {}
    scratch: LeanFlask | None = None
    for source in _offered(find(directories), plugins, kind):
        # A plugin is tried on a scratch app first, so that a failing one leaves no routes behind. A built-in file
        # needs no trial, because its failure is fatal.
        target = app if source.builtin else (scratch := scratch or _scratch_for(app))
        before = Counter[str]() if source.builtin else app_wide(target)
        try:
            loaded = source.load()
            router = router_of(loaded)
            if kind not in kinds_of(loaded):
                _skip(source, plugins, kind)
                continue
            rules = rules_of(router, target)
            routes = routes_of(rules)
            refuse_clashes(routes, taken)
            refuse_misuse(loaded, rules, target.view_functions)
            page, checks = page_of(loaded, rules), health_checks_of(loaded)
        except PluginError as error:
            if source.builtin:
                raise PluginError(f"{source.name}: {error}") from error
            _fail(source, plugins, error)
            continue
        if not source.builtin:
            name = free_name(router.name, app)
            app.register_blueprint(router, name=name)
            app.bulkheads.add(app, name)
            plugins.health_checks |= {f"{name}.{each}": in_context(app, check) for each, check in checks.items()}
            _warn(source, reads_without_access(rules, target.view_functions), app_wide(target) - before)
        taken.update(dict.fromkeys(routes, source.name))
        plugins.loaded.append(source.name)
        plugins.pages.extend([page] if page else [])
    return plugins


def _scratch_for(app: InternalApp) -> LeanFlask:
    scratch = LeanFlask(app.import_name)
    scratch.state = app.state  # type: ignore[attr-defined]  # A plugin's setup may use the engine.
    return scratch


def _offered(sources: Iterable[Source], plugins: Plugins, kind: EngineKind) -> Iterator[Source]:
    """Yield the sources, without the built-in files for other kinds of engines."""
    for source in sources:
        if source.builtin and kind not in written_kinds(source.name):
            _skip(source, plugins, kind)
        else:
            yield source


def _fail(source: Source, plugins: Plugins, error: PluginError) -> None:
    reason = redact(str(error))
    logger.error("Endpoint plugin %s is not served: %s", source.name, reason, exc_info=error.__cause__)
    plugins.failed[source.name] = str(error)
    plugins.public[source.name] = error.public


def _skip(source: Source, plugins: Plugins, kind: EngineKind) -> None:
    plugins.other.append(source.name)
    if not source.builtin:
        logger.info(
            "Endpoint plugin %s is not served: it is for another kind of engine. Declare engines = (%r,) beside its "
            "router to serve it here",
            source.name,
            kind,
        )


def _warn(source: Source, undeclared: Iterable[str], app_wide_functions: Iterable[str]) -> None:
    """Log what a plugin may do, but should not."""
    for path in undeclared:
        logger.warning(
            "GET %s of the plugin %s declares no access, so viewers may read it; declare who may: "
            "@operation(…, access=Role.VIEWER)",
            path,
            source.name,
        )
    for decorator in app_wide_functions:
        logger.warning(
            "The plugin %s uses %s, which affects every endpoint, health checks too; use %s",
            source.name,
            decorator,
            decorator.replace("app_", ""),
        )
