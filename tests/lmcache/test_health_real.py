"""The health endpoints with the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.diagnostics.checks import CHECKS
from lmcache_internal.testing.real_engine import make_scheduler, make_worker
from tests.support import eventually


@pytest.fixture
def worker() -> Iterator[Any]:
    made = make_worker("health")
    yield made
    made.stop_services()


def checks(client: FlaskClient, path: str = "/healthz") -> tuple[int, dict[str, Any]]:
    response = client.get(path, headers={"Accept": "application/json"})
    return response.status_code, response.get_json()["checks"]


def test_a_worker_is_ready_and_healthy(worker: Any) -> None:
    client = create_app(worker).test_client()
    assert client.get("/livez").text == client.get("/readyz").text == client.get("/healthz").text == "ok"
    status, found = checks(client)
    assert (status, found.keys()) == (200, CHECKS.keys())
    assert "LocalCPUBackend" in found["backends"]["message"]


def test_a_worker_that_loses_its_backends_is_not_ready(worker: Any) -> None:
    client = create_app(worker).test_client()
    for name in worker.lmcache_engine.storage_manager.get_all_backend_names():
        assert client.delete(f"/backends/{name}").status_code == 200
    assert client.get("/readyz/backends").status_code == 503
    assert client.get("/livez").status_code == 200
    assert client.post("/backends").status_code == 200
    assert eventually(lambda: client.get("/readyz").text == "ok")


def test_a_worker_whose_start_failed_is_not_ready(worker: Any) -> None:
    client = create_app(worker).test_client()
    worker.lmcache_engine.mark_init_failed("no memory")
    assert client.get("/readyz").text == "[-]engine failed: the engine reports that it is not healthy"


def test_a_worker_is_not_ready_before_post_init(worker: Any) -> None:
    engine = worker.lmcache_engine
    storage, engine.storage_manager, engine.post_inited = engine.storage_manager, None, False
    status, found = checks(create_app(worker).test_client(), "/readyz")
    engine.storage_manager, engine.post_inited = storage, True
    assert status == 503
    assert found["engine"]["message"] == "the engine is still starting: it has no storage manager yet"


def test_an_unreachable_remote_is_a_warning(worker: Any) -> None:
    client = create_app(worker).test_client()
    assert client.post("/conf", json={"remote_url": "nope://user:s3cret@host:1"}).status_code == 200
    assert client.post("/backends").status_code == 200
    assert client.get("/readyz").text == "ok"
    status, found = checks(client)
    assert (status, found["backends"]["message"]) == (503, "RemoteBackend: no connection to nope://***@host:1")


def test_an_engine_that_reports_to_be_unhealthy_is_not_ready() -> None:
    made = make_worker("health-remote", remote_url="nope://user:s3cret@host:1")
    try:
        client = create_app(made).test_client()
        failed = "[-]engine failed: the engine reports that it is not healthy"
        assert eventually(lambda: failed in client.get("/readyz?verbose").text)
        assert "s3cret" not in client.get("/readyz?verbose").text
    finally:
        made.stop_services()


def test_a_scheduler_is_ready() -> None:
    made = make_scheduler("health-scheduler")
    try:
        client = create_app(made).test_client()
        assert client.get("/livez").text == client.get("/readyz").text == "ok"
        engine = checks(client)[1]["engine"]
        assert (engine["ok"], engine["message"]) == (True, "no storage needed on this rank")
    finally:
        made.stop_services()
