"""POST /cache/load-fs-chunks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, create_app
from tests.support import make_manager

PATH = "/cache/load-fs-chunks"
Load = Callable[..., Any]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """The files of three chunks, and `fs.yaml` that refers to them."""
    directory = tmp_path / "chunks"
    with make_manager(local_disk=str(directory), max_local_disk_size=1.0) as writer:
        writer.require_engine().store(range(48))
    (tmp_path / "fs.yaml").write_text(f"chunk_size: 16\nlocal_disk: {directory}\n")
    return sorted(directory.rglob("*.kv"))


@pytest.fixture
def load(client: FlaskClient, tmp_path: Path, files: list[Path]) -> Load:
    """Return a function that sends the request and checks that it succeeds."""
    assert len(files) == 3

    def post(**fields: Any) -> Any:
        response = client.post(PATH, json={"config_path": str(tmp_path / "fs.yaml"), **fields})
        assert (response.status_code, response.content_type) == (200, "application/json"), response.text
        return response.get_json()

    return post


def in_memory(client: FlaskClient) -> int:
    """Return the number of chunks in memory; drops them."""
    return int(client.delete("/cache/clear").get_json()["num_removed"]) // 16


def test_loaded_chunks_are_in_hot_cache(client: FlaskClient, load: Load, tmp_path: Path) -> None:
    assert client.post("/cache/retrieve?tokens_mock=0,48").get_json()["num_retrieved"] == 0
    assert load() == {
        "status": "success",
        "loaded_chunks": 3,
        "total_files": 3,
        "failed_keys": [],
        "config_path": str(tmp_path / "fs.yaml"),
    }
    assert client.post("/cache/retrieve?tokens_mock=0,48").get_json()["num_retrieved"] == 48


def test_response_is_indented_and_content_type_is_optional(
    client: FlaskClient, files: list[Path], tmp_path: Path
) -> None:
    assert files
    response = client.post(PATH, data=f'{{"config_path": "{tmp_path}/fs.yaml"}}')
    assert response.text.startswith('{\n  "status": "success",\n  "loaded_chunks": 3,\n')


@pytest.mark.parametrize(("given", "loaded"), [(1, 1), ("2", 2), (3, 3), (1000, 3), (0, 3), (None, 3)])
def test_max_chunks_limits_loaded_chunks(client: FlaskClient, load: Load, given: object, loaded: int) -> None:
    body = load(max_chunks=given)
    assert (body["loaded_chunks"], body["total_files"]) == (loaded, 3)
    assert in_memory(client) == loaded


@pytest.mark.parametrize(("given", "named"), [({}, 2), ({"max_failed_keys": 1}, 1), ({"max_failed_keys": 0}, 0)])
def test_damaged_chunks_are_listed_and_others_loaded(
    client: FlaskClient, load: Load, files: list[Path], given: dict[str, int], named: int
) -> None:
    for file in files[:2]:
        content = bytearray(file.read_bytes())
        content[-1] ^= 1
        file.write_bytes(content)
    body = load(**given)
    assert (body["loaded_chunks"], body["total_files"], len(body["failed_keys"])) == (1, 3, named)
    assert all(key.startswith("test-model@2@0@") for key in body["failed_keys"])
    assert in_memory(client) == 1


def test_disabled_hot_cache_loads_no_chunks(client: FlaskClient, load: Load) -> None:
    client.put("/hot_cache/disable")
    body = load()
    assert (body["loaded_chunks"], len(body["failed_keys"])) == (0, 3)


def test_unknown_fields_are_ignored(load: Load) -> None:
    assert load(some_future_field=1)["loaded_chunks"] == 3


def test_chunks_of_another_worker_are_not_loaded(files: list[Path], tmp_path: Path) -> None:
    assert files
    with make_manager(worker_id=1) as other:
        body = create_app(other).test_client().post(PATH, json={"config_path": str(tmp_path / "fs.yaml")}).get_json()
    assert (body["loaded_chunks"], body["total_files"]) == (0, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "is not valid YAML"),
        (b"\x80abc", "is not valid YAML"),
        ("- 1", "must contain `key: value` pairs"),
        ("", "has no local_disk"),
        ("local_disk: false", "has no local_disk"),
        ("chunk_size: x", "Invalid value for chunk_size"),
        ("local_disk: /dev/null/x", "Not a directory"),
        (None, "No such file or directory"),
    ],
)
def test_invalid_config_file_gets_400(client: FlaskClient, tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "bad.yaml"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    response = client.post(PATH, json={"config_path": str(path)})
    assert (response.status_code, response.content_type) == (400, "application/json")
    assert response.get_json()["error"] == "Invalid configuration file"
    assert message in response.get_json()["message"]
    assert response.get_json()["detail"] == f"Invalid configuration file: {response.get_json()['message']}"


@pytest.mark.parametrize("path", ["x" * 9000, "/", "/etc/shadow/x", "~"])
def test_invalid_path_gets_400(client: FlaskClient, path: str) -> None:
    response = client.post(PATH, json={"config_path": path})
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid configuration file")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "config_path"),
        ({"config_path": 3}, "config_path"),
        ({"config_path": None}, "config_path"),
        ({"config_path": ["x"]}, "config_path"),
        ({"config_path": ""}, "config_path"),
        ({"config_path": "a\0b"}, "config_path"),
        ({"config_path": "x", "max_chunks": -1}, "max_chunks"),
        ({"config_path": "x", "max_chunks": "many"}, "max_chunks"),
        ({"config_path": "x", "max_chunks": 1.5}, "max_chunks"),
        ({"config_path": "x", "max_failed_keys": -1}, "max_failed_keys"),
        ({"config_path": "x", "max_failed_keys": 10_001}, "max_failed_keys"),
        ({"config_path": "x", "max_failed_keys": None}, "max_failed_keys"),
    ],
)
def test_invalid_field_is_named(client: FlaskClient, body: object, field: str) -> None:
    response = client.post(PATH, json=body)
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid parameter")
    assert field in response.get_json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b'{"config_path": "\\ud800"}', b'{"config_path": "x", "max_chunks": NaN}'])
def test_invalid_json_gets_400(client: FlaskClient, body: bytes) -> None:
    response = client.post(PATH, data=body)
    assert (response.status_code, response.get_json()["error"]) == (400, "Invalid JSON body")


def test_json_that_is_not_an_object_gets_400(client: FlaskClient) -> None:
    response = client.post(PATH, json=["x"])
    assert (response.status_code, response.get_json()) == (
        400,
        {"error": "Request body must be a JSON object", "detail": "Request body must be a JSON object"},
    )


def test_missing_memory_backend_gets_503(client: FlaskClient, files: list[Path], tmp_path: Path) -> None:
    assert files
    client.delete("/backends/LocalCPUBackend")
    response = client.post(PATH, json={"config_path": str(tmp_path / "fs.yaml")})
    assert response.status_code == 503
    assert response.get_json()["message"] == "There is no LocalCPUBackend to load chunks into."


def test_scheduler_gets_503(scheduler: EmbeddedManager) -> None:
    response = create_app(scheduler).test_client().post(PATH, json={"config_path": "x"})
    assert response.status_code == 503
    assert response.get_json() == {
        "error": "/cache/load-fs-chunks API is unavailable",
        "message": "LMCache engine not configured.",
    }


def test_starting_worker_gets_503(
    client: FlaskClient, manager: EmbeddedManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager.lmcache_engine, "storage_manager", None)
    response = client.post(PATH, json={"config_path": "x"})
    assert (response.status_code, response.get_json()["error"]) == (503, "/cache/load-fs-chunks API is unavailable")
