from __future__ import annotations

import concurrent.futures
import json
import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from lmcache_internal import create_app
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.mp.adapters import MOST_ADAPTERS
from tests.mp_support import CHUNKS, INSTANCE, MODEL, TOKENS


def listed(client: FlaskClient) -> list[tuple[int, int]]:
    adapters = content(client.get("/config/adapters"))["adapters"]
    assert [each["primary"] for each in adapters] == [number == 0 for number in range(len(adapters))]
    return [(each["index"], each["id"]) for each in adapters]


def content(response: TestResponse) -> Any:
    return response.json


def spec(path: Path) -> dict[str, Any]:
    return {"type": "fs", "base_path": str(path)}


def test_adapters_are_listed_the_primary_one_first(mp_client: FlaskClient) -> None:
    expected = {"index": 0, "id": 0, "type_name": "fs", "tier": "l2", "primary": True, "reconfigurable": False}
    assert mp_client.get("/config/adapters").json == {"adapters": [expected]}


def test_an_added_adapter_stores_and_loads_and_keeps_its_files_after_its_removal(
    mp: EmbeddedMPManager, mp_client: FlaskClient, tmp_path: Path
) -> None:
    added = mp_client.post("/config/adapters", json=spec(tmp_path / "second"))
    assert added.json == {"type_name": "fs", "config": spec(tmp_path / "second"), "id": 1}
    assert (
        spec(tmp_path / "second") | {"shared": False}
        in content(mp_client.get("/config"))["storage_manager"]["l2_adapter_config"]["adapters"]
    )
    mp.engine.store(INSTANCE, TOKENS)
    assert mp_client.delete("/config/adapters/0").json == {"id": 0, "type_name": "fs"}
    assert listed(mp_client) == [(0, 1)]
    mp_client.post("/cache/clear", json={})
    body = {"model_name": MODEL, "world_size": 1, "token_ids": TOKENS}
    request_id = content(mp_client.post("/cache/prefetches", json=body))["request_id"]
    assert content(mp_client.get(f"/cache/prefetches/{request_id}"))["found_keys"] == CHUNKS
    assert mp_client.delete("/config/adapters/1").status_code == 200
    assert listed(mp_client) == []
    assert len(list((tmp_path / "second").glob("*.kv"))) == CHUNKS


def test_an_id_is_never_used_again(mp_client: FlaskClient, tmp_path: Path) -> None:
    for expected in (1, 2, 3):
        assert content(mp_client.post("/config/adapters", json=spec(tmp_path / "again")))["id"] == expected
        assert mp_client.delete(f"/config/adapters/{expected}").status_code == 200


def test_a_dry_run_checks_and_changes_nothing(mp_client: FlaskClient, tmp_path: Path) -> None:
    response = mp_client.post("/config/adapters?dry_run=true", json=spec(tmp_path / "dry"))
    assert response.json == {"type_name": "fs", "config": spec(tmp_path / "dry"), "dry_run": True}
    assert not (tmp_path / "dry").exists()
    assert mp_client.post("/config/adapters?dry_run=true", json={"type": "fs"}).status_code == 400
    assert mp_client.delete("/config/adapters/0?dry_run=true").json == {"id": 0, "type_name": "fs", "dry_run": True}
    assert mp_client.delete("/config/adapters/7?dry_run=true").status_code == 404
    assert listed(mp_client) == [(0, 0)]


@pytest.mark.parametrize(
    ("body", "status", "names"),
    [
        (b"", 400, "body"),
        (b"{", 400, "truncated"),
        (b"[]", 400, "error"),
        ({}, 400, "type: expected the name of a type, got None"),
        ({"type": 7}, 400, "got 7"),
        ({"type": ["fs"]}, 400, "got ['fs']"),
        ({"type": "FS"}, 400, "type: expected fs, got 'FS'"),
        ({"type": "x" * 1000}, 400, "xxx…"),
        ({"type": "fs"}, 400, "base_path"),
        ({"type": "fs", "base_path": ""}, 400, "base_path"),
        ({"type": "fs", "base_path": "a\0b"}, 400, "base_path"),
        ({"type": "fs", "base_path": "/x", "colour": 1}, 400, "colour"),
        ({"type": "fs", "base_path": "/proc/no/such"}, 400, "not added"),
        ({"type": "fs", "base_path": "{l2}"}, 409, "Adapter 0 has the same configuration"),
        ({"type": "p2p"}, 400, "the engine itself"),
        ({"type": "plugin", "module_path": "os", "class_name": "x"}, 400, "loads code"),
        ({"type": "native_plugin"}, 400, "loads code"),
        ({"type": "fault_inject", "inner": {"type": "plugin"}}, 400, "loads code"),
        ({"type": "fs", "base_path": "/x", "deep": [[{"module_path": "os"}]]}, 400, "loads code"),
    ],
)
def test_what_cannot_be_added_is_named_and_nothing_is_added(
    mp_client: FlaskClient, tmp_path: Path, body: Any, status: int, names: str
) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).replace("{l2}", str(tmp_path / "l2")).encode()
    response = mp_client.post("/config/adapters", data=data)
    assert response.status_code == status, response.text
    assert names in response.text
    assert len(response.text) < 1500
    assert listed(mp_client) == [(0, 0)]


@pytest.mark.parametrize(("path", "status"), [("7", 404), ("-1", 404), ("x", 400), ("0?force=1", 400), ("9" * 40, 404)])
def test_what_cannot_be_removed_stays(mp_client: FlaskClient, path: str, status: int) -> None:
    assert mp_client.delete(f"/config/adapters/{path}").status_code == status
    assert listed(mp_client) == [(0, 0)]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_only_an_admin_may_change_them(mp: EmbeddedMPManager, method: str, tmp_path: Path) -> None:
    app = create_app(mp)
    client = app.test_client()
    client.environ_base.clear()
    path = "/config/adapters" if method == "POST" else "/config/adapters/0"
    remote = {"REMOTE_ADDR": "10.0.0.9", "HTTP_HOST": "10.0.0.1"}
    assert client.open(path, method=method, json=spec(tmp_path / "x"), environ_base=remote).status_code in (401, 403)
    assert not (tmp_path / "x").exists()


def test_the_secrets_of_an_adapter_appear_nowhere(
    mp: EmbeddedMPManager,
    mp_client: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = {
        **spec(tmp_path / "s"),
        "password": "hunter2",
        "auth": {"api_key": ["hunter3"]},
        "url": "redis://u:hunter4@h",
    }
    original = mp.runtime.adapter_config
    config = original(spec(tmp_path / "s"))
    monkeypatch.setattr(mp.runtime, "adapter_config", lambda _spec: config)
    responses = [mp_client.post("/config/adapters?dry_run=true", json=secret)]
    assert content(responses[0])["config"]["auth"] == {"api_key": "***"} or "***" in responses[0].text

    def failing(_config: object) -> int:
        raise ValueError("cannot log in with hunter2 and hunter3 at redis://u:hunter4@h")

    monkeypatch.setattr(mp.engine.storage_manager, "add_l2_adapter", failing)
    responses.append(mp_client.post("/config/adapters", json=secret))
    assert responses[1].status_code == 400
    assert "cannot log in with *** and ***" in content(responses[1])["message"]
    monkeypatch.setattr(mp.runtime, "adapter_config", original)
    responses.append(mp_client.post("/config/adapters", json=secret))
    assert responses[2].status_code == 400
    assert [response.text for response in responses if "hunter" in response.text] == []
    assert "hunter" not in caplog.text
    assert "password" in caplog.text


def test_an_adapter_that_fails_after_it_was_registered_is_removed_again(
    mp: EmbeddedMPManager, mp_client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    storage = mp.engine.storage_manager
    original = storage.add_l2_adapter

    def half(config: Any) -> int:
        original(config)
        raise RuntimeError("the store controller did not respond")

    monkeypatch.setattr(storage, "add_l2_adapter", half)
    response = mp_client.post("/config/adapters", json=spec(tmp_path / "half"))
    assert response.status_code == 500
    assert "the store controller did not respond" in content(response)["message"]
    assert listed(mp_client) == [(0, 0)]


def test_an_adapter_that_starts_after_the_timeout_is_removed_again(
    mp: EmbeddedMPManager, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mp.config.extra_config = {"internal_api_server_call_timeout": 0.2}
    client = create_app(mp).test_client()
    storage, original, released = mp.engine.storage_manager, mp.engine.storage_manager.add_l2_adapter, threading.Event()

    def slow(config: Any) -> int:
        released.wait(5)
        return original(config)

    monkeypatch.setattr(storage, "add_l2_adapter", slow)
    response = client.post("/config/adapters", json=spec(tmp_path / "late"))
    assert response.status_code == 504
    assert "add the L2 adapter" in content(response)["message"]
    released.set()
    until = time.monotonic() + 5
    while not (tmp_path / "late").exists() and time.monotonic() < until:
        time.sleep(0.01)
    while len(listed(client)) > 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert listed(client) == [(0, 0)]


def test_an_adapter_with_work_that_does_not_end_is_504_and_can_be_removed_later(
    mp: EmbeddedMPManager, mp_client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_number: int, timeout: float) -> None:
        raise TimeoutError(f"draining took more than {timeout:.0f} s")

    with monkeypatch.context() as patched:
        patched.setattr(mp.engine.storage_manager, "delete_l2_adapter", busy)
        response = mp_client.delete("/config/adapters/0")
    assert response.status_code == 504
    assert "Adapter 0" in content(response)["message"]
    assert "repeat the request" in content(response)["message"]
    assert mp_client.delete("/config/adapters/0").status_code == 200


def test_an_engine_without_the_functions_is_501(
    mp: EmbeddedMPManager, mp_client: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kind = type(mp.engine.storage_manager)
    monkeypatch.delattr(kind, "add_l2_adapter")
    monkeypatch.delattr(kind, "delete_l2_adapter")
    for response in (
        mp_client.post("/config/adapters", json=spec(tmp_path / "x")),
        mp_client.delete("/config/adapters/0"),
    ):
        assert response.status_code == 501
        assert "l2_adapter in this engine version" in content(response)["message"]


def test_concurrent_requests_add_each_adapter_once(
    mp_client: FlaskClient, tmp_path: Path, mp: EmbeddedMPManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, original = create_app(mp), mp.engine.storage_manager.add_l2_adapter

    def slowly(config: Any) -> int:
        time.sleep(0.05)  # Between the check of a request and its change.
        return original(config)

    monkeypatch.setattr(mp.engine.storage_manager, "add_l2_adapter", slowly)

    def add(number: int) -> int:
        return app.test_client().post("/config/adapters", json=spec(tmp_path / str(number % 4))).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(add, range(12)))
    assert statuses == [200] * 4 + [409] * 8
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        removed = pool.map(lambda _: app.test_client().delete("/config/adapters/2").status_code, range(8))
        assert sorted(removed) == [200] + [404] * 7
    assert [number for _, number in listed(mp_client)] == [0, 1, 3, 4]


def test_the_number_of_adapters_is_bounded(mp_client: FlaskClient, tmp_path: Path) -> None:
    for number in range(1, MOST_ADAPTERS):
        assert mp_client.post("/config/adapters", json=spec(tmp_path / str(number))).status_code == 200
    response = mp_client.post("/config/adapters", json=spec(tmp_path / "more"))
    assert response.status_code == 409
    assert "64" in content(response)["message"]
