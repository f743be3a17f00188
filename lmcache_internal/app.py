"""create_app: an engine's internal API as a Flask app."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from flask import Response, g, request

from .diagnostics.health import HEALTH_KEY, Health
from .diagnostics.modes import MODES_KEY, Modes
from .limits.bulkheads import Bulkheads, leaving
from .limits.concurrency import app_limits
from .limits.request_counts import UNMATCHED, requests
from .operations.error_handlers import register_error_handlers
from .operations.flask_fastpath import LeanFlask
from .plugins import mount_plugins
from .security.caller import DIRECT_KEY
from .security.gate import Gate, with_safe_headers
from .settings import MAX_BODY_BYTES, LiveSettings, Settings, warn_of_old_names

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.testing import FlaskClient
    from flask.typing import ResponseReturnValue
    from werkzeug.exceptions import HTTPException


class InternalApp(LeanFlask):
    """A Flask app that carries its engine the way LMCache's server does.

    Attributes:
        state: `state.lmcache_adapter` is the engine's manager, read at each request; it may be
            replaced or removed at any time. `state.gate` guards the routes.
        limits: bound how many requests of a kind run at once.
        bulkheads: bound what the views of plugins may take.
    """

    def __init__(self, import_name: str, adapter: Any, settings: Settings) -> None:
        super().__init__(import_name)
        self._settings = LiveSettings(settings)
        self.state = SimpleNamespace(lmcache_adapter=adapter)
        self.limits = app_limits()
        self.bulkheads = Bulkheads(self.limits["plugin"])

    @property
    def settings(self) -> Settings:
        """The server's settings, by the engine's config as it is now."""
        return self._settings.of(getattr(getattr(self.state, "lmcache_adapter", None), "config", None))

    @property
    def call_timeout(self) -> float:
        """Seconds that a call into the engine may take."""
        return self.settings.call_timeout

    def test_client(self, use_cookies: bool = True, **options: Any) -> FlaskClient:
        """The test client: whoever has it is inside the process, and needs no proof of it."""
        client = super().test_client(use_cookies, **options)
        client.environ_base[DIRECT_KEY] = "yes"
        return client

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request; the safe headers stand on every answer, whatever made it."""

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            return start_response(status, with_safe_headers(headers), *error)

        if self.bulkheads.in_use:
            return leaving(environ, partial(super().wsgi_app, environ, start))
        return super().wsgi_app(environ, start)

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Authorize a request before any code of a plugin runs for it."""
        try:
            self.state.gate.check()
            if self.bulkheads.in_use:
                self.bulkheads.enter()
        except Exception:  # Whatever refuses it.
            if self.bulkheads.bounds(request.endpoint):
                g.refused_rule = request.url_rule
                request.url_rule = None  # Nor shall what the blueprint of a plugin has for after its requests.
            raise
        return super().preprocess_request()

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view."""
        if self.bulkheads.in_use:
            return cast("ResponseReturnValue", self.bulkheads.call(super().dispatch_request, self))
        return super().dispatch_request()

    def admits(self, environ: WSGIEnvironment) -> bool:
        """Whether the caller of a request may call its route: the gate's decision, without a record of it."""
        with self.request_context(environ):
            admitted = self.state.gate.admits() is True
            request.url_rule = None  # Nor shall its blueprint tear down what has not begun.
            return admitted

    def handle_user_exception(self, e: Exception) -> ResponseReturnValue | HTTPException:
        """Answer a failure."""
        answer = super().handle_user_exception(e)
        # Of a path that nothing serves: its traceback leads back to the request, and the garbage collector alone
        # would free them, with the connection.
        request.routing_exception = None
        return answer


def create_app(adapter: Any, plugin_dirs: Iterable[str | Path] = ()) -> InternalApp:
    """Assemble the internal API of one engine process.

    Args:
        adapter: an object of the shape of LMCache's `LMCacheManager` (see
            `engine/protocols.py`), or None: engine endpoints then answer 503.
        plugin_dirs: directories of further `*_api.py` files, after those of the config's
            `extra_config: internal_api_server_plugin_dirs`.

    Returns:
        A WSGI app. What became of the plugins stands in `app.extensions["lmcache_internal"]`.

    Raises:
        ConfigError: a setting of the adapter's config is unusable.
        PluginError: one of the built-in endpoint files is broken.
    """
    settings = Settings.of(getattr(adapter, "config", None))
    app = InternalApp("lmcache_internal", adapter, settings)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    # A path is served with and without a trailing slash, and never by a redirect: its
    # target would be made of whatever Host the client claims.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    register_error_handlers(app)
    app.after_request(_count)  # Flask calls it after all others.
    warn_of_old_names(getattr(adapter, "config", None))
    gate = Gate(settings)
    gate.guard(app)
    app.state.gate = gate
    plugins = mount_plugins(app, [*settings.plugin_dirs, *map(Path, plugin_dirs)])
    app.extensions["lmcache_internal"] = plugins
    patience = max(settings.call_timeout, settings.script_timeout)
    modes = app.extensions[MODES_KEY] = Modes(app.state)
    app.extensions[HEALTH_KEY] = Health(app.state, plugins, modes, patience)
    return app


def _count(response: Response) -> Response:
    """Count the current request in the metrics of the process."""
    incoming = request._get_current_object()  # type: ignore[attr-defined]  # werkzeug's proxy, looked through once.
    visit, rule = g.get("visit"), incoming.url_rule or g.get("refused_rule")
    seconds = None if visit is None else time.perf_counter() - visit.started
    requests.add(incoming.method, UNMATCHED if rule is None else rule.rule, response.status_code, seconds)
    return response
