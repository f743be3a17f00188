"""GET, POST and DELETE /backends, and POST /backends/{name}/recreate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.engine.embedded.runtime import EmbeddedRuntime
from tests.support import make_manager

CPU = {"LocalCPUBackend": "LocalCPUBackend"}
DISK = {"LocalDiskBackend": "LocalDiskBackend"}
ROUTES = [("GET", ""), ("POST", ""), ("DELETE", "/LocalCPUBackend"), ("POST", "/LocalCPUBackend/recreate")]


@pytest.fixture
def with_disk(tmp_path: Path) -> Iterator[FlaskClient]:
    with make_manager(local_disk=str(tmp_path), max_local_disk_size=1.0) as manager:
        yield create_app(manager).test_client()


def retrieved(client: FlaskClient) -> int:
    return int(client.post("/cache/retrieve?tokens_mock=0,48").get_json()["num_retrieved"])


def test_list_is_compact_json(with_disk: FlaskClient) -> None:
    response = with_disk.get("/backends")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.text == '{"LocalCPUBackend":"LocalCPUBackend","LocalDiskBackend":"LocalDiskBackend"}'


def test_closed_backend_is_removed(client: FlaskClient) -> None:
    client.post("/cache/store?tokens_mock=0,48")
    response = client.delete("/backends/LocalCPUBackend")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {"status": "success", "message": "Backend LocalCPUBackend closed", "backends": {}}
    assert client.get("/backends").get_json() == {}
    assert retrieved(client) == 0


@pytest.mark.parametrize("name", ["Nope", "localcpubackend", "%20", "x" * 100])
@pytest.mark.parametrize(("method", "suffix"), [("DELETE", ""), ("POST", "/recreate")])
def test_unknown_backend_gets_404_with_known_backends(client: FlaskClient, method: str, suffix: str, name: str) -> None:
    response = client.open(f"/backends/{name}{suffix}", method=method)
    assert (response.status_code, response.content_type) == (404, "application/json")
    body = response.get_json()
    hint = "; did you mean LocalCPUBackend?" if name == "localcpubackend" else ""
    assert body == {
        "status": "not_found",
        "message": f"Backend {name.replace('%20', ' ')} not found{hint}",
        "backends": CPU,
    }


def test_create_is_noop_if_all_backends_exist(client: FlaskClient) -> None:
    response = client.post("/backends")
    assert (response.status_code, response.content_type) == (200, "application/json")
    assert response.get_json() == {"status": "success", "created": {}, "backends": CPU}


def test_backend_added_to_config_is_created(client: FlaskClient, tmp_path: Path) -> None:
    client.post("/conf", json={"local_disk": str(tmp_path), "max_local_disk_size": 1})
    assert client.get("/backends").get_json() == CPU
    assert client.post("/backends").get_json() == {"status": "success", "created": DISK, "backends": CPU | DISK}
    client.post("/cache/store?tokens_mock=0,48")
    assert len(list(tmp_path.rglob("*.kv"))) == 3


def test_closed_backend_is_created_from_current_config(client: FlaskClient) -> None:
    client.delete("/backends/LocalCPUBackend")
    one_chunk = 1100 / (1 << 30)  # A chunk of these engines has 1024 bytes.
    client.post("/conf", json={"max_local_cpu_size": one_chunk})
    assert client.post("/backends").get_json()["created"] == CPU
    client.post("/cache/store?tokens_mock=0,48")
    assert client.delete("/cache/clear").get_json()["num_removed"] == 16


def test_recreated_memory_is_empty_and_disk_keeps_files(with_disk: FlaskClient) -> None:
    with_disk.post("/cache/store?tokens_mock=0,48")
    assert with_disk.post("/backends/LocalCPUBackend/recreate").get_json() == {
        "status": "success",
        "recreated": CPU,
        "backends": CPU | DISK,
    }
    assert with_disk.delete("/cache/clear").get_json()["num_removed"] == 0
    assert with_disk.post("/backends/LocalDiskBackend/recreate").get_json()["recreated"] == DISK
    assert retrieved(with_disk) == 48


def test_recreate_uses_current_config(with_disk: FlaskClient, tmp_path: Path) -> None:
    with_disk.post("/conf", json={"local_disk": str(tmp_path / "elsewhere")})
    with_disk.post("/backends/LocalDiskBackend/recreate")
    with_disk.post("/cache/store?tokens_mock=0,48")
    assert len(list((tmp_path / "elsewhere").rglob("*.kv"))) == 3


def test_local_disk_false_creates_no_backend(
    with_disk: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with_disk.post("/conf", json={"local_disk": False})
    body = with_disk.post("/backends/LocalDiskBackend/recreate").get_json()
    assert (body["recreated"], body["backends"]) == ({}, CPU)
    assert not (tmp_path / "False").exists()


def test_backend_that_cannot_be_created_is_a_warning(client: FlaskClient, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client.post("/conf", json={"local_disk": str(tmp_path / "file" / "disk"), "max_local_disk_size": 1.0})
    body = client.post("/backends").get_json()
    assert body["created"] == {}
    assert "cannot be used: [Errno 20] Not a directory" in body["warnings"]["LocalDiskBackend"]
    assert "LocalDiskBackend: local_disk" in client.get("/readyz?verbose").text
    client.post("/conf", json={"local_disk": str(tmp_path / "disk")})
    assert client.post("/backends").get_json() == {"status": "success", "created": DISK, "backends": CPU | DISK}


class Unreachable(EmbeddedRuntime):
    def unreachable_backends(self) -> dict[str, str]:
        return {"RemoteBackend": "redis://user:s3cret@host: refused"}


@pytest.mark.parametrize("path", ["/backends", "/backends/LocalCPUBackend/recreate"])
def test_unreachable_backend_is_a_warning(client: FlaskClient, manager: EmbeddedManager, path: str) -> None:
    manager.runtime = Unreachable(manager)
    response = client.post(path)
    assert response.status_code == 200
    assert response.get_json()["warnings"] == {"RemoteBackend": "redis://***@host: refused"}


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_scheduler_gets_503(scheduler: EmbeddedManager, method: str, path: str) -> None:
    response = create_app(scheduler).test_client().open(f"/backends{path}", method=method)
    assert response.status_code == 503
    assert response.get_json() == {
        "error": "/backends API is unavailable",
        "message": "LMCache engine not configured.",
    }


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_starting_worker_gets_503(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    monkeypatch.setattr(manager.lmcache_engine, "storage_manager", None)
    response = client.open(f"/backends{path}", method=method)
    assert (response.status_code, response.get_json()["error"]) == (503, "/backends API is unavailable")
