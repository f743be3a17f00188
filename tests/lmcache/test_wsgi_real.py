"""The real engine in a WSGI server and in an existing Flask app."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from lmcache_internal import InternalAPI
from lmcache_internal.testing.real_engine import make_worker
from lmcache_internal.wsgi import VARIABLE, create_app
from tests.support import fetch
from tests.wsgi.servers import launched

FACTORY = "lmcache_internal.testing.real_engine:make_worker"


def test_create_app_serves_the_adapter_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, FACTORY)
    app = create_app()
    try:
        client = app.test_client()
        assert client.get("/readyz").text == "ok"
        assert client.get("/meta?names=model_name").get_json(force=True) == {"model_name": "test-model"}
        assert client.post("/conf", json={"min_retrieve_tokens": 5}).status_code == 200
        assert app.state.lmcache_adapter.config.min_retrieve_tokens == 5
    finally:
        app.state.lmcache_adapter.stop_services()


def test_the_extension_serves_the_engine_under_its_prefix() -> None:
    manager = make_worker("extension", extra_config={"internal_api_server_trust_loopback": True})
    try:
        host = Flask("host")
        host.add_url_rule("/page", "page", lambda: "the host's page")
        InternalAPI(host, manager)
        client = host.test_client()
        assert client.get("/page").text == "the host's page"
        assert client.get("/lmcache/readyz").text == "ok"
        assert client.get("/lmcache/backends").get_json() == manager.lmcache_engine.storage_manager.list_backends()
        assert client.put("/lmcache/freeze/enable").status_code == 200
        assert manager.lmcache_engine.is_frozen()
    finally:
        manager.stop_services()


@pytest.mark.skipif(version("lmcache").startswith("0.3."), reason="LMCache 0.3 leaves threads that do not end")
def test_a_server_with_the_engine_stops_on_sigterm(tmp_path: Path) -> None:
    # The engine's event loop is not a daemon thread, and would keep the process running.
    with launched(tmp_path / "waitress", "waitress-serve", LMCACHE_INTERNAL_ADAPTER=FACTORY) as started:
        started.wait_until_it_serves()
        server: Any = started
        assert fetch(server, "/readyz") == (200, b"ok")
        assert fetch(server, "/conf")[0] == 401
        assert started.end() == 0
