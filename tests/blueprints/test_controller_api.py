"""GET /controller/key-stats and GET /controller/workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.app import InternalApp


@dataclass(frozen=True)
class WorkerInfo:
    instance_id: str
    worker_id: int
    ip: str
    port: int
    peer_init_url: str | None
    registration_time: float
    last_heartbeat_time: float


@dataclass
class Worker:
    worker_id: int
    keys: set[int]

    def get_kv_count(self) -> int:
        return len(self.keys)

    def to_worker_info(self, instance_id: str) -> WorkerInfo:
        return WorkerInfo(instance_id, self.worker_id, "10.0.0.1", 9000 + self.worker_id, None, 1.5, 2.5)


@dataclass
class Instance:
    workers: dict[int, Worker] = field(default_factory=dict)


@dataclass
class Registry:
    """Workers per instance, with the interface of LMCache's registry."""

    instances: dict[str, Instance] = field(default_factory=dict)

    def register(self, instance_id: str, worker_id: int, *keys: int) -> None:
        workers = self.instances.setdefault(instance_id, Instance()).workers
        workers[worker_id] = Worker(worker_id, set(keys))

    def get_worker(self, instance_id: str, worker_id: int) -> Worker | None:
        instance = self.instances.get(instance_id)
        return instance.workers.get(worker_id) if instance else None

    def get_total_kv_count(self) -> int:
        return sum(len(worker.keys) for instance in self.instances.values() for worker in instance.workers.values())


@dataclass
class RegistrationController:
    registry: Registry


@dataclass
class ControllerManager:
    reg_controller: RegistrationController


@pytest.fixture
def registry(app: InternalApp) -> Registry:
    made = Registry()
    app.state.lmcache_controller_manager = ControllerManager(RegistrationController(made))
    return made


@pytest.fixture
def two_instances(registry: Registry) -> Registry:
    registry.register("a", 0, 1, 2, 3)
    registry.register("a", 1)
    registry.register("b", 0, 7)
    return registry


def worker(instance_id: str, worker_id: int, keys: int) -> dict[str, Any]:
    return {
        "instance_id": instance_id,
        "worker_id": worker_id,
        "ip": "10.0.0.1",
        "port": 9000 + worker_id,
        "peer_init_url": None,
        "registration_time": 1.5,
        "last_heartbeat_time": 2.5,
        "key_count": keys,
    }


ALL = [worker("a", 0, 3), worker("a", 1, 0), worker("b", 0, 1)]


@pytest.mark.parametrize("path", ["key-stats", "workers", "workers?instance_id=a&worker_id=0"])
def test_missing_controller_gets_503(client: FlaskClient, path: str) -> None:
    response = client.get(f"/controller/{path}")
    assert response.status_code == 503
    assert response.get_json() == {
        "error": "Controller unavailable",
        "message": "Controller manager not available",
        "detail": "Controller manager not available",
    }


@pytest.mark.usefixtures("registry")
def test_empty_registry_has_no_keys_and_workers(client: FlaskClient) -> None:
    assert client.get("/controller/key-stats").get_json() == {
        "total_key_count": 0,
        "total_instance_count": 0,
        "total_worker_count": 0,
        "instances": [],
    }
    response = client.get("/controller/workers")
    assert (response.content_type, response.text) == ("application/json", '{"workers":[],"total_count":0}')


@pytest.mark.usefixtures("two_instances")
def test_keys_are_counted_per_instance(client: FlaskClient) -> None:
    response = client.get("/controller/key-stats")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {
        "total_key_count": 4,
        "total_instance_count": 2,
        "total_worker_count": 3,
        "instances": [
            {"instance_id": "a", "key_count": 3, "worker_count": 2},
            {"instance_id": "b", "key_count": 1, "worker_count": 1},
        ],
    }


@pytest.mark.usefixtures("two_instances")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ALL),
        ("?instance_id=a", ALL[:2]),
        ("?instance_id=b", ALL[2:]),
        ("?instance_id=a&instance_id=b", ALL[2:]),
        ("?instance_id=", ALL),
        ("?worker_id=0", ALL),
    ],
)
def test_workers_are_listed(client: FlaskClient, query: str, found: list[Any]) -> None:
    response = client.get(f"/controller/workers{query}")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {"workers": found, "total_count": len(found)}


@pytest.mark.usefixtures("two_instances")
@pytest.mark.parametrize("query", ["worker_id=1", "worker_id=7&worker_id=1"])
def test_single_worker_is_returned(client: FlaskClient, query: str) -> None:
    response = client.get(f"/controller/workers?instance_id=a&{query}")
    assert (response.status_code, response.get_json()) == (200, ALL[1])


def test_response_is_current(client: FlaskClient, two_instances: Registry) -> None:
    client.get("/controller/workers")
    two_instances.instances["a"].workers[0].keys.add(99)
    del two_instances.instances["b"]
    assert client.get("/controller/workers").get_json()["workers"] == [worker("a", 0, 4), worker("a", 1, 0)]
    assert client.get("/controller/key-stats").get_json()["total_key_count"] == 4


@pytest.mark.usefixtures("two_instances")
@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("instance_id=nope", "Unknown instance", "No workers found for instance nope"),
        ("instance_id=a&worker_id=7", "Unknown worker", "Worker (a, 7) not found"),
        ("instance_id=nope&worker_id=0", "Unknown worker", "Worker (nope, 0) not found"),
        ("instance_id=a&worker_id=-1", "Unknown worker", "Worker (a, -1) not found"),
    ],
)
def test_unknown_instance_or_worker_gets_404(client: FlaskClient, query: str, error: str, message: str) -> None:
    response = client.get(f"/controller/workers?{query}")
    assert (response.status_code, response.get_json()) == (
        404,
        {"error": error, "message": message, "detail": message},
    )


@pytest.mark.parametrize("number", ["x", "", "1.0", "9" * 5000])
def test_worker_id_that_is_not_a_number_gets_400(client: FlaskClient, number: str) -> None:
    response = client.get(f"/controller/workers?instance_id=a&worker_id={number}")
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid parameter")
    assert response.get_json()["message"].startswith("Invalid value for worker_id: ")
    assert response.get_json()["detail"] == response.get_json()["message"]
    assert len(response.text) < 500
