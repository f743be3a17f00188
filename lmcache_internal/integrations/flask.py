"""Serve the internal API inside an existing Flask app."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Request
from werkzeug.exceptions import HTTPException, NotFound

from ..app import InternalApp, create_app
from ..errors import ConfigError
from ..system.worker_processes import warn_of_siblings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EXTENSION_KEY = "lmcache_internal"
"""The key in `host.extensions` of the dictionary of prefixes to internal apps."""


class InternalAPI:
    """A Flask extension that serves an engine's internal API below a path of another app, the host.

    The internal API stays a separate app, which authorizes all of its requests. The hooks, error handlers and
    blueprints of each of the two apps do not apply to the other.

    Args:
        app: the host; without it, call `init_app` later.
        adapter: see `create_app`.
        url_prefix: see `init_app`.
        plugin_dirs: see `create_app`.
    """

    def __init__(
        self,
        app: Flask | None = None,
        adapter: Any = None,
        url_prefix: str | None = "/lmcache",
        plugin_dirs: Iterable[str | Path] = (),
    ) -> None:
        if app is not None:
            self.init_app(app, adapter, url_prefix, plugin_dirs)

    def init_app(
        self,
        app: Flask,
        adapter: Any,
        url_prefix: str | None = "/lmcache",
        plugin_dirs: Iterable[str | Path] = (),
    ) -> None:
        """Serve the API of `adapter` below `url_prefix` of the host `app`.

        Args:
            app: the host; `app.extensions["lmcache_internal"]` maps its prefixes to internal apps.
            adapter: see `create_app`.
            url_prefix: the internal API receives all requests at or below this path; if several prefixes match, the
                longest counts. Without a prefix (""), the routes of the host come first, and a path without a route in
                either app gets the 404 of the host.
            plugin_dirs: see `create_app`.

        Raises:
            ConfigError: the prefix is in use or is not an absolute path, or `create_app` raises it.
            PluginError: a built-in endpoint file cannot be loaded.
        """
        if isinstance(app, InternalApp):
            raise ConfigError("An internal app cannot host another app; use werkzeug's DispatcherMiddleware for both.")
        prefix = _checked(url_prefix)
        mounted: dict[str, InternalApp] = app.extensions.get(EXTENSION_KEY, {})
        if prefix in mounted:
            raise ConfigError(f"url_prefix {url_prefix!r} already serves another engine; use another prefix.")
        internal = create_app(adapter, plugin_dirs)
        if not mounted:
            app.extensions[EXTENSION_KEY] = mounted
            app.wsgi_app = _Mounts(app, mounted)  # type: ignore[method-assign]  # As Flask documents.
        mounted[prefix] = internal


class _Mounts:
    """A wrapper of the host's `wsgi_app` that dispatches requests to internal apps.

    Args:
        host: the host.
        mounted: maps prefixes to internal apps; entries may be added later.
    """

    def __init__(self, host: Flask, mounted: dict[str, InternalApp]) -> None:
        self._host = host
        self._host_wsgi_app: WSGIApplication = host.wsgi_app
        self._mounted = mounted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Dispatch one request to the internal app for its path, or to the host."""
        path = environ.get("PATH_INFO", "")
        for prefix in sorted(self._mounted, key=len, reverse=True):
            script = prefix.encode().decode("latin-1")  # WSGI encodes paths in this way.
            if f"{path}/".startswith(f"{script}/") and (prefix or self._is_only_ours(environ)):
                moved = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + script, "PATH_INFO": path[len(script) :]}
                warn_of_siblings()
                return self._mounted[prefix]({**environ, **moved}, start_response)
        return self._host_wsgi_app(environ, start_response)

    def _is_only_ours(self, environ: WSGIEnvironment) -> bool:
        return _knows(self._mounted[""], environ) and not _knows(self._host, environ)


def _checked(url_prefix: str | None) -> str:
    """Return the prefix without trailing slashes; empty for no prefix."""
    prefix = (url_prefix or "").rstrip("/")
    # Clients resolve dots before they send a path, so they could never reach such a prefix.
    if prefix and (not prefix.startswith("/") or prefix != posixpath.normpath(prefix)):
        raise ConfigError(f"url_prefix must be a path such as '/lmcache', or '' for none; got {url_prefix!r}")
    return prefix


def _knows(app: Flask, environ: WSGIEnvironment) -> bool:
    """Return whether a route of `app` matches the path, with any method."""
    try:
        adapter = app.create_url_adapter(Request(environ))
        if adapter is not None:
            adapter.match()
    except NotFound:
        return False
    except HTTPException:  # A redirect, another method, or another host: the path belongs to this app.
        return True
    return True
