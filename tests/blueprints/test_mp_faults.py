"""An L2 adapter that fails or hangs in any operation: the response names it, and the rest of the server works."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.mp_support import CHUNKS, INSTANCE, MODEL, TOKENS, mp_manager
from tests.support import takes_less

KEY = {"chunk_hash_hex": "ab", "model_name": "m", "kv_rank": 0}
PREFETCH = {"model_name": MODEL, "world_size": 1, "token_ids": TOKENS}
OPERATIONS = ("list_l2_keys", "delete", "report_status", "put", "get")


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[EmbeddedMPManager]:
    with mp_manager(tmp_path) as manager:
        manager.config.extra_config = {"internal_api_server_call_timeout": 0.5}
        yield manager


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def fail(*_args: object, **_options: object) -> NoReturn:
    raise OSError("the disk is gone, password=hunter2, redis://u:hunter2@h")


def broken(manager: EmbeddedMPManager, operation: str, how: Callable[..., Any]) -> None:
    ((_, adapter),) = manager.engine.storage_manager.l2_adapters()
    setattr(adapter, operation, how)


def serves_workers(manager: EmbeddedMPManager, client: FlaskClient) -> None:
    """Workers store, what is in L1 is read, and the other routes respond at once."""
    assert manager.engine.store(INSTANCE, TOKENS) == CHUNKS

    def use() -> None:
        for path in ("/livez", "/healthcheck", "/quota", "/config", "/config/adapters", "/metrics"):
            assert client.get(path).status_code == 200, path
        assert client.post("/cache/prefetches", json=PREFETCH).status_code == 202

    assert takes_less(1, use)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_failing_adapter_does_not_stop_the_server(impatient: EmbeddedMPManager, operation: str) -> None:
    broken(impatient, operation, fail)
    serves_workers(impatient, create_app(impatient).test_client())


@pytest.mark.parametrize("operation", ["list_l2_keys", "delete", "report_status"])
def test_a_hanging_adapter_does_not_stop_the_server(
    impatient: EmbeddedMPManager, operation: str, released: threading.Event
) -> None:
    broken(impatient, operation, lambda *_, **__: released.wait())
    client = create_app(impatient).test_client()
    client.get("/cache/objects")
    client.delete("/cache/objects", json={"keys": [KEY]})
    serves_workers(impatient, client)


def test_an_adapter_that_fails_to_list_is_503_and_named(impatient: EmbeddedMPManager) -> None:
    broken(impatient, "list_l2_keys", fail)
    response = create_app(impatient).test_client().get("/cache/objects")
    assert response.status_code == 503
    assert "Cannot list the objects of the L2 adapter 0 (fs): the disk is gone" in response.text
    assert "hunter2" not in response.text


def test_an_adapter_that_fails_to_delete_is_named_in_the_body(impatient: EmbeddedMPManager) -> None:
    broken(impatient, "delete", fail)
    response = create_app(impatient).test_client().delete("/cache/objects", json={"keys": [KEY]})
    assert response.status_code == 200  # As LMCache responds.
    body = json.loads(response.text)
    assert body["ok"] is False
    assert "L2 adapter 0 (fs): the disk is gone" in body["error"]


@pytest.mark.parametrize(
    ("operation", "method", "path", "action"),
    [
        ("list_l2_keys", "GET", "/cache/objects", "list the objects of the L2 adapter 0 (fs)"),
        ("delete", "DELETE", "/cache/objects", "delete the objects of the L2 adapter 0 (fs)"),
    ],
)
def test_an_adapter_that_hangs_is_504_and_named(
    impatient: EmbeddedMPManager, released: threading.Event, operation: str, method: str, path: str, action: str
) -> None:
    # A fifth of it is the time in which the call must notice its own timeout, before that of the operation.
    impatient.config.extra_config = {"internal_api_server_call_timeout": 2}
    broken(impatient, operation, lambda *_, **__: released.wait())
    client = create_app(impatient).test_client()
    for _ in range(6):  # From the fifth on, no further thread is started.
        response = client.open(path, method=method, json={"keys": [KEY]})
        assert response.status_code == 504
        assert action in response.text


@pytest.mark.parametrize("hangs", [False, True])
def test_readyz_names_the_adapter_and_is_ready_because_l1_serves(
    impatient: EmbeddedMPManager,
    released: threading.Event,
    tmp_path: Path,
    hangs: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lmcache_internal.diagnostics.health.FRESH_SECONDS", 0.1)
    client = create_app(impatient).test_client()
    assert client.post("/config/adapters", json={"type": "fs", "base_path": str(tmp_path / "b")}).json is not None
    _, (_, second) = impatient.engine.storage_manager.l2_adapters()
    hang: Any = lambda: released.wait()  # noqa: E731
    second.report_status = hang if hangs else fail  # type: ignore[method-assign]
    for _ in range(2):
        response = client.get("/readyz?verbose")
        assert response.status_code == 200, response.text
        expected = "1: fs does not respond" if hangs else "1: fs failed: the disk is gone"
        assert f"[!]adapters warning: unhealthy L2 adapters: {expected}" in response.text
        assert "0: fs" not in response.text
        assert "hunter2" not in response.text
        assert client.get("/healthz/adapters").status_code == 503
        time.sleep(0.1)  # The outcome is not cached any more.
    if hangs:
        assert "unhealthy L2 adapters: 1: fs does not respond" in client.get("/healthz/engine").text


def test_an_engine_that_reports_unhealthy_adapters_is_ready(impatient: EmbeddedMPManager) -> None:
    broken(impatient, "report_status", lambda: {"is_healthy": False})
    client = create_app(impatient).test_client()
    assert impatient.engine.report_status()["is_healthy"] is False
    assert client.get("/readyz/engine").status_code == 200
    assert client.get("/healthz/engine").status_code == 503
    assert client.get("/readyz").status_code == 200


def test_an_engine_that_hangs_is_not_ready(impatient: EmbeddedMPManager, released: threading.Event) -> None:
    impatient.engine.report_status = lambda: {"is_healthy": released.wait()}  # type: ignore[method-assign]
    client = create_app(impatient).test_client()
    began = time.monotonic()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert time.monotonic() - began < 30
    assert "[-]engine failed: it did not report its status within 1.2 s" in response.text
    assert client.get("/livez").status_code == 200
