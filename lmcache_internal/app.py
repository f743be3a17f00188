"""`create_app`: the internal API of an engine as a Flask app."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from io import BytesIO
from pathlib import Path
from string import printable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from flask import Request, Response, g, request

from .diagnostics.doctor.facts import FACTS_KEY, FactsCollector
from .diagnostics.explain.seen import SEEN_KEY, Seen
from .diagnostics.health import HEALTH_KEY, Health
from .diagnostics.modes import MODES_KEY, Modes
from .limits.bulkheads import Bulkheads, release_after
from .limits.concurrency import app_limits
from .limits.recent_requests import POLL_KEY, RECENT_KEY, RecentRequests
from .limits.request_counts import UNMATCHED, requests
from .operations.error_handlers import register_error_handlers
from .operations.flask_fastpath import LeanFlask
from .plugins import mount_plugins
from .security.caller import DIRECT_KEY
from .security.gate import Gate, seconds_since_arrival, with_safe_headers
from .settings import MAX_BODY_BYTES, LiveSettings, Settings, warn_of_old_names

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask.testing import FlaskClient
    from flask.typing import ResponseReturnValue
    from werkzeug.exceptions import HTTPException


class InMemoryRequest(Request):
    """A request that keeps uploads in memory, because a temporary file fails if the disk is full."""

    def _get_file_stream(self, *_: Any, **__: Any) -> BytesIO:
        return BytesIO()


class InternalApp(LeanFlask):
    """A Flask app that holds its engine in the same attribute as LMCache's server.

    Attributes:
        state: `state.lmcache_adapter` is the engine's manager. It is read at each request, and may be replaced or
            removed at any time. `state.gate` authorizes requests.
        limits: the concurrency limits.
        bulkheads: the limits of plugin views.
    """

    request_class = InMemoryRequest

    def __init__(self, import_name: str, adapter: Any, settings: Settings) -> None:
        super().__init__(import_name)
        self._settings = LiveSettings(settings)
        self.state = SimpleNamespace(lmcache_adapter=adapter)
        self.limits = app_limits()
        self.bulkheads = Bulkheads(self.limits["plugin"])

    @property
    def settings(self) -> Settings:
        """The server's settings, from the engine's current configuration."""
        return self._settings.of(getattr(getattr(self.state, "lmcache_adapter", None), "config", None))

    @property
    def call_timeout(self) -> float:
        """Timeout for a call into the engine, in seconds."""
        return self.settings.call_timeout

    def test_client(self, use_cookies: bool = True, **options: Any) -> FlaskClient:
        """Return a test client. It needs no credentials, because its user already controls the process."""
        client = super().test_client(use_cookies, **options)
        client.environ_base[DIRECT_KEY] = "yes"
        return client

    def wsgi_app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve a request, and add the security headers to every response."""

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            return start_response(status, with_safe_headers(headers), *error)

        root = environ.get("SCRIPT_NAME", "")
        if root.startswith(("//", "/\\")):  # Some servers take it from the request. A browser would read a host in it.
            environ["SCRIPT_NAME"] = "/" + root.lstrip("/\\")
        query = environ.get("QUERY_STRING", "")
        if not query.isascii():  # Our own server refuses it; others pass it, and werkzeug decodes only UTF-8.
            environ["QUERY_STRING"] = quote(query, safe=printable, encoding="latin-1", errors="replace")
        if self.bulkheads.in_use:
            return release_after(environ, partial(super().wsgi_app, environ, start))
        return super().wsgi_app(environ, start)

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Authorize a request before any plugin code runs for it."""
        try:
            self.state.gate.check()
            endpoint = request.endpoint  # Once, because each access through werkzeug's proxy takes a microsecond.
            if endpoint and (limit := self._max_body(endpoint)) != MAX_BODY_BYTES:
                request.max_content_length = limit
            if self.bulkheads.in_use:
                self.bulkheads.enter()
        except Exception:  # Every refusal.
            if self.bulkheads.bounds(request.endpoint):
                g.refused_rule = request.url_rule
                request.url_rule = None  # Also skip the plugin's after-request hooks.
            raise
        return super().preprocess_request()

    def dispatch_request(self) -> ResponseReturnValue:
        """Call the view."""
        if self.bulkheads.in_use:
            return cast("ResponseReturnValue", self.bulkheads.call(super().dispatch_request, self))
        return super().dispatch_request()

    def admits(self, environ: WSGIEnvironment) -> int:
        """Return the largest body that the caller may send to the route of a request, in bytes; 0 if none.

        The audit log does not record it.
        """
        with self.request_context(environ):
            limit = self._max_body(request.endpoint or "") if self.state.gate.admits() is True else 0
            request.url_rule = None  # No request has begun, so its blueprint must not tear one down.
            return limit

    def count(self, response: Response) -> Response:
        """Count the current request in the metrics of the process."""
        incoming = request._get_current_object()  # type: ignore[attr-defined]  # Resolve the proxy once.
        rule = incoming.url_rule or g.get("refused_rule")
        route = UNMATCHED if rule is None else rule.rule
        seconds = seconds_since_arrival()
        requests.add(incoming.method, route, response.status_code, seconds)
        if not incoming.environ.get(POLL_KEY):
            self.extensions[RECENT_KEY].add(incoming.method, route, response.status_code, seconds)
        return response

    def _max_body(self, endpoint: str) -> int:
        """The largest body of a view, in bytes; a plugin's plain Flask view declares none."""
        return int(getattr(self.view_functions.get(endpoint), "max_body", MAX_BODY_BYTES))

    def handle_user_exception(self, e: Exception) -> ResponseReturnValue | HTTPException:
        """Return the error response for an exception."""
        answer = super().handle_user_exception(e)
        # For an unknown path, the traceback of this exception refers to the request. Without this line, only the
        # garbage collector would free them and the connection.
        request.routing_exception = None
        return answer


def create_app(adapter: Any, plugin_dirs: Iterable[str | Path] = ()) -> InternalApp:
    """Assemble the internal API of one engine process.

    Args:
        adapter: an object with the interface of LMCache's `LMCacheManager` (see `engine/protocols.py`), or None:
            engine endpoints then answer 503.
        plugin_dirs: directories with more `*_api.py` files. They follow those of the configuration's
            `extra_config: internal_api_server_plugin_dirs`.

    Returns:
        A WSGI app. `app.extensions["lmcache_internal"]` has the status of the plugins.

    Raises:
        ConfigError: a setting in the adapter's configuration is invalid.
        PluginError: one of the built-in endpoint files is broken.
    """
    settings = Settings.of(getattr(adapter, "config", None))
    app = InternalApp("lmcache_internal", adapter, settings)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    # A path is served with and without a trailing slash, never through a redirect: the redirect's target would contain
    # the Host that the client sends.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    register_error_handlers(app)
    app.extensions[RECENT_KEY] = RecentRequests()
    app.after_request(app.count)  # Flask calls this function after all others.
    warn_of_old_names(getattr(adapter, "config", None))
    gate = Gate(settings)
    gate.guard(app)
    app.state.gate = gate
    plugins = mount_plugins(app, [*settings.plugin_dirs, *map(Path, plugin_dirs)])
    app.extensions["lmcache_internal"] = plugins
    longest_timeout = max(settings.call_timeout, settings.script_timeout)
    modes = app.extensions[MODES_KEY] = Modes(app.state)
    app.extensions[FACTS_KEY] = FactsCollector()
    app.extensions[SEEN_KEY] = Seen()
    app.extensions[HEALTH_KEY] = Health(app.state, plugins, modes, longest_timeout)
    return app
