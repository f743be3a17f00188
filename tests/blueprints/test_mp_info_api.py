from __future__ import annotations

import threading
import time

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.openapi.routes import routes_of
from lmcache_internal.roles import Role
from tests.mp_support import LMCACHE_ROUTES
from tests.support import make_manager


def test_an_mp_app_has_all_routes_of_lmcaches_mp_server(mp: EmbeddedMPManager) -> None:
    routes = {f"{route.method} {route.path}": route.access for route in routes_of(create_app(mp))}
    assert len(LMCACHE_ROUTES) == 32
    assert set(LMCACHE_ROUTES) <= set(routes)
    public = {name for name in LMCACHE_ROUTES if routes[name] is Role.PUBLIC}
    assert public == {"GET /", "GET /healthcheck", "GET /metrics"}


def test_in_process_routes_are_not_mounted_and_not_documented(mp_client: FlaskClient) -> None:
    paths = mp_client.get("/openapi.json").json["paths"]  # type: ignore[index]
    for path in ("/conf", "/meta", "/backends", "/freeze/status", "/cache/store", "/lookup/info"):
        assert mp_client.get(path).status_code == 404, path
        assert path not in paths


def test_mp_routes_are_not_in_an_in_process_app() -> None:
    with make_manager() as manager:
        client = create_app(manager).test_client()
        for path in ("/status", "/healthcheck", "/quota", "/config"):
            assert client.get(path).status_code == 404, path


@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/json, text/plain;q=0.5"])
def test_root_is_lmcaches_json_for_machines(mp_client: FlaskClient, accept: str | None) -> None:
    response = mp_client.get("/", headers={"Accept": accept} if accept else {})
    assert response.json == {"status": "ok", "service": "LMCache HTTP API"}


def test_root_leads_a_browser_to_the_dashboard(mp_client: FlaskClient) -> None:
    response = mp_client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (response.status_code, response.headers["Location"]) == (302, "/ui")


@pytest.mark.parametrize("accept", ["text/plain", "text/plain;q=0.9,*/*;q=0.8"])
def test_root_lists_the_endpoints_for_people(mp_client: FlaskClient, accept: str) -> None:
    response = mp_client.get("/", headers={"Accept": accept})
    assert response.mimetype == "text/plain"
    assert "PUT    /quota/{cache_salt}  (operator)" in response.text


def test_root_does_not_list_the_endpoints_for_anonymous_clients(mp: EmbeddedMPManager) -> None:
    client = create_app(mp).test_client()
    client.environ_base = {"REMOTE_ADDR": "192.0.2.1"}
    response = client.get("/", headers={"Accept": "text/plain"})
    assert response.json == {"status": "ok", "service": "LMCache HTTP API"}
    assert client.get("/status").status_code in (401, 403)


def test_healthcheck_without_an_engine_is_503_with_lmcaches_body(mp: EmbeddedMPManager) -> None:
    client = create_app(mp).test_client()
    assert client.get("/healthcheck").json == {"status": "healthy"}
    assert client.head("/healthcheck").status_code == 200
    mp.engine = None  # type: ignore[assignment]
    response = client.get("/healthcheck")
    assert response.status_code == 503
    assert response.json is not None
    assert response.json["status"] == "unhealthy"
    assert response.json.keys() == {"status", "reason", "error", "message", "detail"}


@pytest.mark.parametrize(
    "path", ["/status", "/config", "/config/adapters", "/cache/objects", "/quota", "/reconfigure/dax/l1/status"]
)
def test_without_an_engine_the_others_are_503(mp: EmbeddedMPManager, path: str) -> None:
    client = create_app(mp).test_client()
    mp.engine = None  # type: ignore[assignment]
    response = client.get(path)
    assert response.status_code == 503
    assert "The MP engine is still starting" in response.text
    assert client.get("/livez").status_code == 200
    assert "[-]engine failed" in client.get("/readyz").text


def test_status_reports_the_parts_and_masks_secrets(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    report = mp.engine.report_status()
    found = mp_client.get("/status").json
    assert found == report
    mp.engine.report_status = lambda: {**report, "url": "redis://u:hunter2@host", "password": "hunter2"}  # type: ignore[method-assign]
    assert "hunter2" not in mp_client.get("/status").text


def test_readyz_names_the_part_that_is_unhealthy(mp: EmbeddedMPManager, mp_client: FlaskClient) -> None:
    assert mp_client.get("/readyz?verbose").text.splitlines()[:4] == [
        "[+]engine ok",
        "[+]adapters ok: 0: fs",
        "[+]workers ok: 1 registered, 0 idle, 0 removed as silent",
        "[+]transport ok: it has no message queue",
    ]
    report = mp.engine.report_status()
    report["is_healthy"] = report["storage_manager"]["l1_manager"]["is_healthy"] = False
    mp.engine.report_status = lambda: report  # type: ignore[method-assign]
    client = create_app(mp).test_client()
    response = client.get("/readyz/engine")
    assert response.status_code == 503
    assert "storage_manager.l1_manager" in response.text


def test_an_engine_that_hangs_delays_no_other_request(mp: EmbeddedMPManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lmcache_internal.diagnostics.health.CHECK_SECONDS", 0.2)
    released = threading.Event()
    mp.config.extra_config = {"internal_api_server_call_timeout": 0.2}
    mp.engine.report_status = lambda: {"is_healthy": released.wait()}  # type: ignore[method-assign]
    client = create_app(mp).test_client()
    try:
        status = client.get("/status")
        assert status.status_code == 504
        assert "get the status" in status.text
        readyz = client.get("/readyz/engine")
        assert readyz.status_code == 503
        assert "did not" in readyz.text
        began = time.monotonic()
        assert client.get("/livez").status_code == 200
        assert client.get("/healthcheck").status_code == 200
        assert client.get("/quota").status_code == 200
        assert time.monotonic() - began < 10
    finally:
        released.set()


def test_an_unhealthy_adapter_is_a_warning(mp: EmbeddedMPManager) -> None:
    ((_, adapter),) = mp.engine.storage_manager.l2_adapters()
    adapter.report_status = lambda: {"is_healthy": False}  # type: ignore[method-assign]
    client = create_app(mp).test_client()
    assert client.get("/readyz/adapters").status_code == 200
    assert client.get("/healthz/adapters").status_code == 503


def test_a_silent_message_queue_is_not_ready(mp: EmbeddedMPManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(_seconds: float) -> str:
        raise TimeoutError

    monkeypatch.setattr(mp.runtime, "ping", silent)
    response = create_app(mp).test_client().get("/readyz/transport")
    assert response.status_code == 503
    assert "no response to a PING within 1 s" in response.text


def test_reset_of_metrics_that_cannot_be_reset_is_501(mp_client: FlaskClient) -> None:
    assert mp_client.post("/metrics/reset").status_code == 501
