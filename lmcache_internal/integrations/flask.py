"""The internal API in a Flask app that others wrote."""

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
"""Where the host's internal apps stand in `host.extensions`, by their prefix."""


class InternalAPI:
    """A Flask extension that serves an engine's internal API below a path of another app, the host.

    The internal API stays an app of its own: its gate guards all of it, and the host's hooks,
    error handlers and blueprints do not touch it, nor it them.

    Args:
        app: the host; without one, call `init_app` later.
        adapter: as of `create_app`.
        url_prefix: as of `init_app`.
        plugin_dirs: as of `create_app`.
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
        """Serve `adapter`'s API below `url_prefix` of the host `app`.

        Args:
            app: the host; `app.extensions["lmcache_internal"]` maps its prefixes to internal apps.
            adapter: as of `create_app`.
            url_prefix: takes all requests at or below it; of several, the longest. With none (""),
                the host's own paths win, and what no route of either matches is the host's 404.
            plugin_dirs: as of `create_app`.

        Raises:
            ConfigError: the prefix is taken or is no absolute path, or `create_app` refuses.
            PluginError: one of the built-in endpoint files is broken.
        """
        if isinstance(app, InternalApp):
            raise ConfigError("An internal app cannot host another; put both into one werkzeug DispatcherMiddleware.")
        prefix = _checked(url_prefix)
        mounted: dict[str, InternalApp] = app.extensions.get(EXTENSION_KEY, {})
        if prefix in mounted:
            raise ConfigError(f"url_prefix {url_prefix!r} serves another engine; give each one its own.")
        internal = create_app(adapter, plugin_dirs)
        if not mounted:
            app.extensions[EXTENSION_KEY] = mounted
            app.wsgi_app = _Mounts(app, mounted)  # type: ignore[method-assign]  # Flask's way to wrap an app.
        mounted[prefix] = internal


class _Mounts:
    """The host's `wsgi_app` with internal apps in it.

    Args:
        host: the host; its `wsgi_app` is what is wrapped.
        mounted: prefix to internal app; may grow.
    """

    def __init__(self, host: Flask, mounted: dict[str, InternalApp]) -> None:
        self._host = host
        self._host_wsgi_app: WSGIApplication = host.wsgi_app
        self._mounted = mounted

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request by the app that it is for."""
        path = environ.get("PATH_INFO", "")
        for prefix in sorted(self._mounted, key=len, reverse=True):
            script = prefix.encode().decode("latin-1")  # In WSGI's encoding, as `path` is.
            if f"{path}/".startswith(f"{script}/") and (prefix or self._is_only_ours(environ)):
                moved = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + script, "PATH_INFO": path[len(script) :]}
                warn_of_siblings()
                return self._mounted[prefix]({**environ, **moved}, start_response)
        return self._host_wsgi_app(environ, start_response)

    def _is_only_ours(self, environ: WSGIEnvironment) -> bool:
        return _knows(self._mounted[""], environ) and not _knows(self._host, environ)


def _checked(url_prefix: str | None) -> str:
    """The prefix without a slash at its end; empty for none."""
    prefix = (url_prefix or "").rstrip("/")
    # Clients resolve dots before they send a path, so that it would never be reached.
    if prefix and (not prefix.startswith("/") or prefix != posixpath.normpath(prefix)):
        raise ConfigError(f"url_prefix must be a path such as '/lmcache', or '' for none; got {url_prefix!r}")
    return prefix


def _knows(app: Flask, environ: WSGIEnvironment) -> bool:
    """Whether a route of `app` has the path, whatever the method."""
    try:
        adapter = app.create_url_adapter(Request(environ))
        if adapter is not None:
            adapter.match()
    except NotFound:
        return False
    except HTTPException:  # A redirect, another method, a host that it refuses: the path is its business.
        return True
    return True
