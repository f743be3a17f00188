"""Thread dumps, profiles, metrics by name and service discovery with a real engine under load."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from lmcache_internal import create_app
from lmcache_internal.engine.lmcache_names import module_of
from lmcache_internal.testing.real_engine import make_scheduler, make_worker
from tests.support import eventually

JSON = {"Accept": "application/json"}
SERVED: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": 7000}


@pytest.fixture(scope="module")
def manager() -> Iterator[Any]:
    made = make_worker("observing")
    yield made
    made.stop_services()


@pytest.fixture
def client(manager: Any) -> FlaskClient:
    return create_app(manager).test_client()


@pytest.fixture
def working(manager: Any) -> Iterator[threading.Thread]:
    """Run a thread that repeatedly stores and retrieves tokens."""
    done = threading.Event()
    client = create_app(manager).test_client()
    statuses: list[int] = []

    def work() -> None:
        while not done.is_set():
            statuses.append(client.post("/cache/store?tokens_mock=0,4096").status_code)
            statuses.append(client.post("/cache/retrieve?tokens_mock=0,4096").status_code)
            statuses.append(client.delete("/cache/clear").status_code)

    thread = threading.Thread(target=work, name="engine at work")
    thread.start()
    assert eventually(lambda: len(statuses) > 3)
    yield thread
    done.set()
    thread.join()
    assert set(statuses) == {200}


@pytest.mark.usefixtures("working")
def test_threads_of_an_engine_at_work(client: FlaskClient) -> None:
    body = client.get("/threads", headers=JSON).get_json()
    assert body["total"] == len(body["threads"])
    (worker,) = [thread for thread in body["threads"] if thread["name"] == "engine at work"]
    assert worker["cpu_seconds"] > 0
    assert any("/lmcache/" in call["file"] for thread in body["threads"] for call in thread["stack"])
    groups = client.get("/threads?group=true", headers=JSON).get_json()["groups"]
    assert sum(group["count"] for group in groups) >= body["total"] - 2  # Threads may end between the two requests.


@pytest.mark.usefixtures("working")
def test_a_profile_contains_the_engine(client: FlaskClient) -> None:
    lines = client.get("/threads?samples=100&interval=0.005").text.splitlines()
    path = module_of("LMCacheEngine").replace(".", "/")
    inside = [line for line in lines if f"/{path}.py:" in line]
    assert inside, lines
    # The calls of /cache/store and /cache/retrieve run in separate threads.
    assert {line.partition(";")[0] for line in inside} & {"call: store cache", "call: retrieve cache"}, inside
    assert all(int(line.rpartition(" ")[2]) > 0 for line in lines)


def test_the_engine_works_after_a_profile(client: FlaskClient) -> None:
    assert client.get("/threads?samples=20&interval=0.001").status_code == 200
    assert client.post("/cache/store?tokens_mock=0,512").get_json()["num_tokens"] == 512
    assert client.post("/cache/retrieve?tokens_mock=0,512").get_json()["num_retrieved"] == 512


@pytest.mark.parametrize("name", ["lmcache:num_store_requests", "lmcache:num_store_requests_total"])
def test_the_engines_metrics_by_name(client: FlaskClient, name: str) -> None:
    client.post("/cache/store?tokens_mock=0,256")
    families = list(text_string_to_metric_families(client.get(f"/metrics?name[]={name}").text))
    samples = [sample for family in families for sample in family.samples if sample.name.endswith("_total")]
    assert {sample.name for sample in samples} == {"lmcache:num_store_requests_total"}
    assert any(sample.labels["model_name"] == "test-model" for sample in samples)
    assert client.get("/metrics?name[]=lmcache:nothing").text == ""


@pytest.mark.parametrize("make", [make_worker, make_scheduler])
def test_service_discovery_lists_all_ranks(make: Any) -> None:
    manager = make("ranks", **SERVED)
    try:
        manager.lmcache_engine_metadata.world_size = 2
        groups = create_app(manager).test_client().get("/sd/prometheus").get_json()
    finally:
        manager.stop_services()
    assert [group["targets"] for group in groups] == [["127.0.0.1:7000"], ["127.0.0.1:7001"], ["127.0.0.1:7002"]]
    assert [group["labels"]["__meta_lmcache_role"] for group in groups] == ["scheduler", "worker", "worker"]
    assert {group["labels"]["__meta_lmcache_model_name"] for group in groups} == {"test-model"}
