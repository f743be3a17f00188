"""One host can serve several engines, and invalid prefixes are refused."""

from __future__ import annotations

import pytest
from flask import Flask

from lmcache_internal import EmbeddedManager, InternalAPI, create_app
from lmcache_internal.errors import ConfigError
from tests.integrations.support import internal_apps
from tests.security.support import audit_of
from tests.support import make_manager


@pytest.mark.parametrize("prefixes", [["/lmcache", "/lmcache/one"], ["/lmcache/one", "/lmcache"]])
def test_longest_prefix_is_used(host: Flask, manager: EmbeddedManager, prefixes: list[str]) -> None:
    adapters = {"/lmcache": None, "/lmcache/one": manager}
    for prefix in prefixes:
        InternalAPI(host, adapters[prefix], prefix)
    client = host.test_client()
    assert client.get("/lmcache/readyz").status_code == 503  # It has no engine.
    assert client.get("/lmcache/one/readyz").status_code == 200
    assert client.get("/lmcache/onerous").status_code == 404
    assert client.get("/lmcache/one").status_code == 200


def test_engines_are_independent(host: Flask, manager: EmbeddedManager) -> None:
    with make_manager(worker_id=1, extra_config=manager.config.extra_config) as other:
        InternalAPI(host, manager, "/worker0")
        InternalAPI(host, other, "/worker1")
        client = host.test_client()
        assert client.post("/worker1/conf", json={"min_retrieve_tokens": 9}).status_code == 200
        values = [client.get(f"/worker{n}/conf?names=min_retrieve_tokens").get_json(force=True) for n in (0, 1)]
        ranks = [client.get(f"/worker{n}/meta?names=worker_id").get_json(force=True) for n in (0, 1)]
    assert values == [{"min_retrieve_tokens": 0}, {"min_retrieve_tokens": 9}]
    assert ranks == [{"worker_id": 0}, {"worker_id": 1}]
    assert [len(audit_of(app)) for app in internal_apps(host).values()] == [0, 1]


@pytest.mark.parametrize("again", ["/lmcache", "/lmcache/"])
def test_prefix_in_use_is_refused(host: Flask, manager: EmbeddedManager, again: str) -> None:
    InternalAPI(host, manager, "/lmcache")
    with pytest.raises(ConfigError, match=f"url_prefix '{again}' already serves another engine"):
        InternalAPI(host, None, again)
    assert host.test_client().get("/lmcache/readyz").status_code == 200


@pytest.mark.parametrize("prefix", ["lmcache", "./lmcache", "/a/../lmcache", "/a//b", "/.", "..", "http://x/y", " "])
def test_unreachable_prefix_is_refused(host: Flask, prefix: str) -> None:
    before = host.wsgi_app
    with pytest.raises(ConfigError, match=r"url_prefix must be a path such as '/lmcache', or '' for none; got "):
        InternalAPI(host, None, prefix)
    assert (host.wsgi_app, host.extensions) == (before, {})


def test_refused_engine_leaves_the_host_unchanged(host: Flask) -> None:
    before = host.wsgi_app
    with make_manager() as manager:
        manager.config.extra_config = {"internal_api_server_script_timeout": "soon"}
        with pytest.raises(ConfigError, match="script_timeout"):
            InternalAPI(host, manager)
    assert (host.wsgi_app, host.extensions) == (before, {})


def test_internal_app_cannot_be_a_host(manager: EmbeddedManager) -> None:
    with pytest.raises(ConfigError, match="DispatcherMiddleware"):
        InternalAPI(create_app(manager), None, "/other")
