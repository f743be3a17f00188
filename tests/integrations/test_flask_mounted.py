"""The internal API, or its host, works below middleware of other libraries."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from lmcache_internal import EmbeddedManager, InternalAPI, create_app
from tests.security.support import bearer
from tests.support import make_manager

TOKEN = "a-token-of-some-length"
LOCAL = {"REMOTE_ADDR": "127.0.0.1"}


def test_internal_app_in_a_dispatcher(host: Flask, manager: EmbeddedManager, plugin_dir: Path) -> None:
    client = Client(DispatcherMiddleware(host.wsgi_app, {"/lmcache": create_app(manager, [plugin_dir])}))
    assert client.get("/page").text == "the host's page"
    assert client.get("/lmcache/nowhere").get_json()["error"] == "Not Found"
    for path in ("/lmcache", "/lmcache/"):
        assert "curl http://localhost/lmcache/conf\n" in client.get(path, environ_base=LOCAL).text
    where = client.get("/lmcache/where", environ_base=LOCAL).get_json()
    assert (where["app"], where["url"]) == ("InternalApp", "/lmcache/where")


@pytest.mark.parametrize("prefix", ["/lmcache", ""])
def test_host_below_a_path(host: Flask, manager: EmbeddedManager, prefix: str) -> None:
    host.config["APPLICATION_ROOT"] = "/site"
    InternalAPI(host, manager, prefix)
    client = Client(DispatcherMiddleware(Flask("front"), {"/site": host}))
    assert client.get("/site/page").text == "the host's page"
    index = client.get(f"/site{prefix}/", environ_base=LOCAL).text
    assert f"curl http://localhost/site{prefix}/conf\n" in index
    assert client.get(f"{prefix}/conf", environ_base=LOCAL).status_code == 404


def test_host_behind_a_proxy(host: Flask, plugin_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", TOKEN)
    with make_manager() as manager:
        InternalAPI(host, manager, plugin_dirs=[plugin_dir])
        host.wsgi_app = ProxyFix(host.wsgi_app, x_prefix=1, x_host=1)  # type: ignore[method-assign]  # As Flask documents.
        forwarded = {"X-Forwarded-Prefix": "/site", "X-Forwarded-Host": "example.com"}
        client = host.test_client()
        where = client.get("/lmcache/where", headers=forwarded | bearer(TOKEN)).get_json()
    assert where["external"] == "http://example.com/site/lmcache/where"


def test_address_from_proxy_fix_is_not_trusted(host: Flask, manager: EmbeddedManager) -> None:
    InternalAPI(host, manager)  # It trusts loopback, and the proxy sends a loopback address.
    host.wsgi_app = ProxyFix(host.wsgi_app)  # type: ignore[method-assign]  # As Flask documents.
    client = host.test_client()
    assert client.get("/lmcache/conf").status_code == 200
    assert client.get("/lmcache/conf", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401


def test_middleware_of_the_host_applies_to_later_engines(host: Flask, manager: EmbeddedManager) -> None:
    InternalAPI(host, manager, "/one")
    host.wsgi_app = Forbidden("the middleware of the site")  # type: ignore[method-assign]  # As Flask documents.
    InternalAPI(host, None, "/two")
    client = host.test_client()
    assert [client.get(f"{prefix}/metrics").status_code for prefix in ("/one", "/two")] == [403, 403]
