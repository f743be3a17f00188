"""InternalAPI serves the internal API below a path of an existing Flask app."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from lmcache_internal import EmbeddedManager, InternalAPI
from lmcache_internal.security.caller import DIRECT_KEY, PEER_UID_KEY
from tests.integrations.support import internal_apps
from tests.security.support import audit_of, bearer
from tests.support import make_manager

TOKEN = "a-token-of-some-length"


@pytest.fixture
def mounted(host: Flask, manager: EmbeddedManager, plugin_dir: Path) -> Flask:
    InternalAPI().init_app(host, manager, url_prefix="/lmcache", plugin_dirs=[plugin_dir])
    return host


def test_api_is_only_at_and_below_the_prefix(mounted: Flask) -> None:
    client = mounted.test_client()
    assert client.get("/lmcache").text == client.get("/lmcache/").text
    assert "LMCache internal API" in client.get("/lmcache").text
    assert client.get("/lmcache/conf").get_json(force=True)["chunk_size"] == 16
    assert client.get("/page").text == "the host's page"
    for path in ("/conf", "/lmcachex", "/lmcacheconf", "/lmcache.", "/x/lmcache/conf"):
        assert client.get(path).text == "the host's 404"


def test_methods_and_bodies_reach_the_internal_app(mounted: Flask) -> None:
    client = mounted.test_client()
    assert client.post("/lmcache/conf", json={"min_retrieve_tokens": 5}).status_code == 200
    assert client.get("/lmcache/conf?names=min_retrieve_tokens").get_json(force=True) == {"min_retrieve_tokens": 5}
    assert client.head("/lmcache/metrics").status_code == 200
    assert "GET" in client.options("/lmcache/metrics").headers["Allow"]


def test_links_contain_the_prefix(mounted: Flask) -> None:
    client = mounted.test_client()
    assert "curl http://localhost/lmcache/conf\n" in client.get("/lmcache/").text
    where = client.get("/lmcache/where").get_json()
    assert where["url"] == "/lmcache/where"
    assert where["external"] == "http://localhost/lmcache/where"
    assert "No endpoint at /lmcache/nope; GET /lmcache/ lists" in client.get("/lmcache/nope").get_json()["message"]
    assert client.get("/lmcache/openapi.json").get_json()["servers"] == [{"url": "/lmcache"}]


def test_current_app_of_a_plugin_is_the_internal_app(mounted: Flask) -> None:
    where = mounted.test_client().get("/lmcache/where").get_json()
    assert (where["app"], where["engine"], where["host"]) == ("InternalApp", True, None)


def test_internal_app_is_in_the_extensions_of_the_host(mounted: Flask, manager: EmbeddedManager) -> None:
    assert internal_apps(mounted).keys() == {"/lmcache"}
    internal = internal_apps(mounted)["/lmcache"]
    assert internal.state.lmcache_adapter is manager
    assert internal.test_client().get("/env").status_code == 200


def test_audit_log_has_the_path_with_the_prefix(mounted: Flask) -> None:
    mounted.test_client().post("/lmcache/conf", json={"min_retrieve_tokens": 6})
    assert audit_of(internal_apps(mounted)["/lmcache"])[-1]["path"] == "/lmcache/conf"


def test_trailing_slash_of_the_prefix_is_ignored(host: Flask, manager: EmbeddedManager) -> None:
    InternalAPI(host, manager, url_prefix="/deep/lmcache/")
    assert internal_apps(host).keys() == {"/deep/lmcache"}
    assert host.test_client().get("/deep/lmcache/metrics").status_code == 200
    assert host.test_client().get("/deep/metrics").text == "the host's 404"


def test_prefix_may_have_non_ascii_letters(host: Flask, manager: EmbeddedManager) -> None:
    InternalAPI(host, manager, "/größe/キャッシュ")
    client = host.test_client()
    assert client.get("/größe/キャッシュ/lmc_version").status_code == 200
    assert "curl http://localhost/größe/キャッシュ/conf\n" in client.get("/größe/キャッシュ/").text


@pytest.fixture
def client(host: Flask) -> Any:
    with make_manager() as manager:
        InternalAPI(host, manager)
        yield host.test_client()


def test_client_of_the_host_gets_only_public_routes(client: Any) -> None:
    assert client.get("/lmcache/metrics").status_code == 200
    assert client.get("/lmcache/conf").status_code == 401
    assert client.post("/lmcache/run_script").status_code == 401


def test_headers_cannot_make_a_client_local(client: Any) -> None:
    forged = {DIRECT_KEY: "yes", PEER_UID_KEY: "0", "Remote-Addr": "127.0.0.1", "X-Forwarded-For": "127.0.0.1"}
    assert client.get("/lmcache/conf", headers=forged).status_code == 401
    for name in forged:
        assert client.get("/lmcache/conf", headers={name: "yes"}).status_code == 401


def test_token_gives_access(host: Flask, monkeypatch: pytest.MonkeyPatch, manager: EmbeddedManager) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", TOKEN)
    InternalAPI(host, manager)
    client = host.test_client()
    assert client.get("/lmcache/env").status_code == 401
    assert client.get("/lmcache/env", headers=bearer("wrong")).status_code == 401
    assert client.get("/lmcache/env", headers=bearer(TOKEN)).status_code == 200


def test_unauthorized_response_names_both_settings() -> None:
    host = Flask("shop")
    with make_manager() as manager:
        InternalAPI(host, manager)
        response = host.test_client().get("/lmcache/conf")
    assert response.status_code == 401
    for setting in ("internal_api_server_tokens_file", "internal_api_server_trust_loopback: true"):
        assert f"extra_config.{setting}" in response.get_json()["message"]
