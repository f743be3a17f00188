"""The adapter for LMCache's MP server, as far as it needs no LMCache."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace
from typing import Any

import pytest

from lmcache_internal import create_app
from lmcache_internal.engine.mp import lmcache_prefix
from lmcache_internal.engine.mp.config import MPConfig
from lmcache_internal.engine.mp.lmcache import LMCacheMPManager, LMCacheMPRuntime
from lmcache_internal.engine.mp.runtime import Prompt
from lmcache_internal.errors import ApiError, BadRequest, Conflict, EngineFailed, NotFound, NotSupported


@dataclasses.dataclass
class Auth:
    user: str
    password: str


@dataclasses.dataclass
class AdapterList:
    adapters: list[Any]


@dataclasses.dataclass
class Storage:
    l2_adapter_config: AdapterList
    ratio: float = 0.5
    sizes: tuple[int, ...] = (1, 2)


@dataclasses.dataclass
class MP:
    host: str = "localhost"
    port: int = 5555


class Adapter:
    """As LMCache's adapter configurations, it is no dataclass."""

    affinity_tag = "_default"

    def __init__(self) -> None:
        self.host = "redis"
        self.username = "u"
        self.password = "hunter2"
        self.auth = Auth("u", "hunter2")


def manager(engine: Any = None) -> LMCacheMPManager:
    configs = {"mp": MP(), "storage_manager": Storage(AdapterList([Adapter(), Auth("v", "hunter2")]))}
    return LMCacheMPManager(MPConfig(), SimpleNamespace(engine=engine or SimpleNamespace(), configs=configs))


def test_config_shows_dataclasses_and_adapters_without_their_secrets() -> None:
    response = create_app(manager()).test_client().get("/config")
    assert response.json is not None
    assert response.json["mp"] == {"host": "localhost", "port": 5555}
    storage = response.json["storage_manager"]
    assert (storage["ratio"], storage["sizes"]) == (0.5, [1, 2])
    first, second = storage["l2_adapter_config"]["adapters"]
    assert (first["username"], first["password"], first["affinity_tag"]) == ("u", "***", "_default")
    assert second == {"user": "v", "password": "***"}
    assert "hunter2" not in response.text


class InvalidRequest(Exception):
    """Has the name of LMCache's."""


class L1ReconfigureError(RuntimeError):
    def __init__(self, status_code: int) -> None:
        super().__init__("redis://u:hunter2@host is in use")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (L1ReconfigureError(404), NotFound),
        (L1ReconfigureError(409), Conflict),
        (L1ReconfigureError(501), NotSupported),
        (L1ReconfigureError(500), EngineFailed),
        (InvalidRequest("too many"), BadRequest),
    ],
)
def test_errors_of_lmcache_keep_their_status(error: Exception, kind: type[ApiError]) -> None:
    def failing() -> None:
        raise error

    engine = SimpleNamespace(storage_manager=SimpleNamespace(get_l1_devdax_arena_statuses=failing))
    response = create_app(manager(engine)).test_client().get("/reconfigure/dax/l1/status")
    assert response.status_code == kind.status
    assert "hunter2" not in response.text


def test_a_message_queue_on_all_addresses_is_reached_over_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Client:
        def ping(self, instance: None) -> Any:
            return SimpleNamespace(result=lambda timeout: asked.append((instance, timeout)))

        def close(self) -> None:
            asked.append("closed")

    def create(url: str) -> Client:
        asked.append(url)
        return Client()

    monkeypatch.setattr("lmcache_internal.engine.mp.lmcache.load", lambda _name: SimpleNamespace(create=create))
    runtime = LMCacheMPRuntime(
        SimpleNamespace(configs={"mp": SimpleNamespace(host="0.0.0.0", port=7, transport="grpc")})
    )
    assert runtime.ping(0.5) == "PING over grpc"
    assert asked == ["grpc://127.0.0.1:7", (None, 0.5), "closed"]


def test_prefetches_of_an_older_lmcache_are_501(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"no {name}")

    monkeypatch.setattr("lmcache_internal.engine.mp.lmcache.load", missing)
    body = {"model_name": "m", "world_size": 1, "token_ids": [1]}
    response = create_app(manager()).test_client().post("/cache/prefetches", json=body)
    assert response.status_code == 501


@pytest.mark.parametrize(
    ("interval", "ago", "healthy"),
    [(0.005, 0.02, True), (0.005, 0.9, True), (0.005, 1.5, False), (30.0, 100.0, False)],
)
def test_a_short_interval_makes_no_thread_late(
    monkeypatch: pytest.MonkeyPatch, interval: float, ago: float, healthy: bool
) -> None:
    status = {
        "name": "dispatcher",
        "level": "high",
        "interval": interval,
        "is_running": True,
        "is_active": ago < 3 * interval,
        "last_run_ago": ago,
    }
    thread = SimpleNamespace(get_status=lambda: status)
    registry = SimpleNamespace(get_instance=lambda: SimpleNamespace(get_all=lambda: [thread]))
    monkeypatch.setattr("lmcache_internal.engine.mp.lmcache.load", lambda _name: registry)
    response = create_app(manager()).test_client().get("/periodic-threads-health")
    assert response.json is not None
    assert response.json["healthy"] is healthy


def test_a_version_without_a_client_does_not_fail_the_check_of_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"no {name}")

    monkeypatch.setattr("lmcache_internal.engine.mp.lmcache.load", missing)
    response = create_app(manager()).test_client().get("/readyz/transport?verbose")
    assert response.status_code == 200
    assert "not checked" in response.text


@pytest.mark.parametrize(("force", "status"), [(False, 200), (True, 501)])
def test_an_older_lmcache_clears_what_is_not_in_use(force: bool, status: int) -> None:
    cleared: list[str] = []
    engine = SimpleNamespace(clear=lambda: cleared.append("all"))
    response = create_app(manager(engine)).test_client().post("/cache/clear", json={"force": force})
    assert response.status_code == status
    assert cleared == ([] if force else ["all"])


def test_slow_file_system_is_examined_for_a_limited_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lmcache_prefix, "_LOOK_SECONDS", 0.1)

    class SlowPath:
        def exists(self) -> bool:
            time.sleep(0.005)
            return True

    adapter = SimpleNamespace(_key_to_path=lambda _: SlowPath())
    prompt = Prompt("m", 1, [])
    began = time.monotonic()
    tier = lmcache_prefix._l2("L2:fs", adapter, prompt, range(1000))
    assert time.monotonic() - began < 4
    assert 0 < len(tier.keys) < 1000
    assert "of 1000 objects were not looked up, because it is slow" in tier.not_checked
    assert lmcache_prefix._l2("L2:fs", adapter, prompt, range(3)).not_checked == ""
