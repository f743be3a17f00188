"""GET /sd/prometheus: the ranks as Prometheus' HTTP service discovery lists them."""

from __future__ import annotations

import contextlib
import json
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, InternalAPIServer, create_app
from tests.security.support import ask, prefixed, serving, token_file
from tests.support import CHUNK, SHAPE, fetch, free_port, make_manager

ENABLED: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": 7000}


def groups_of(manager: EmbeddedManager) -> Any:
    with manager:
        response = create_app(manager).test_client().get("/sd/prometheus")
    assert (response.status_code, response.content_type) == (200, "application/json")
    return response.get_json()


def targets_of(manager: EmbeddedManager) -> list[str]:
    return [group["targets"][0] for group in groups_of(manager)]


@pytest.mark.parametrize(("role", "worker_id"), [("scheduler", 0), ("worker", 0), ("worker", 1)])
def test_each_rank_lists_all_ranks(role: str, worker_id: int) -> None:
    assert groups_of(make_manager(role, worker_id, **ENABLED)) == [
        {
            "targets": ["127.0.0.1:7000"],
            "labels": {"index": "0", "__meta_lmcache_role": "scheduler", "__meta_lmcache_model_name": "test-model"},
        },
        *(
            {
                "targets": [f"127.0.0.1:{7001 + worker}"],
                "labels": {
                    "index": str(1 + worker),
                    "__meta_lmcache_role": "worker",
                    "__meta_lmcache_model_name": "test-model",
                    "__meta_lmcache_worker_id": str(worker),
                },
            }
            for worker in range(2)
        ),
    ]


def test_ranks_without_server_are_omitted() -> None:
    values = ENABLED | {"internal_api_server_include_index_list": [0, 2]}
    assert targets_of(make_manager(**values)) == ["127.0.0.1:7000", "127.0.0.1:7002"]
    assert groups_of(make_manager()) == []


def test_unix_sockets_are_not_listed(tmp_path: Path) -> None:
    values = ENABLED | {"internal_api_server_socket_path_prefix": str(tmp_path / "socket")}
    assert groups_of(make_manager(**values)) == []
    public = prefixed({"public_port_start": 9000, "public_host": "10.0.0.7"})
    assert targets_of(make_manager(**values, extra_config=public)) == [f"10.0.0.7:{9000 + index}" for index in range(3)]


def test_public_listener_lists_targets_under_requested_host(tmp_path: Path) -> None:
    path, _ = token_file(tmp_path, boss="admin")
    port = free_port()
    extra = {"public_port_start": port - 1, "public_host": "0.0.0.0", "tokens_file": str(path)}
    with (
        serving(tmp_path, extra=extra),
        contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=10)) as prometheus,
    ):
        prometheus.request("GET", "/sd/prometheus", headers={"Host": f"10.1.2.3:{port}"})
        response = prometheus.getresponse()
        assert response.status == 200
        targets = [group["targets"] for group in json.load(response)]
        assert targets == [[f"10.1.2.3:{port + offset}"] for offset in (-1, 0, 1)]


def test_foreign_host_is_rejected(tmp_path: Path) -> None:
    with serving(tmp_path, internal_api_server_host="0.0.0.0") as server:
        assert ask(server, "GET /sd/prometheus", "Host: evil.example").status == 403
        assert f"[::1]:{server.port}" in ask(server, "GET /sd/prometheus", "Host: [::1]:1").body.decode()


def test_targets_are_served_over_both_transports(server: InternalAPIServer) -> None:
    status, body = fetch(server, "/sd/prometheus")
    assert status == 200
    assert len(json.loads(body)) == (0 if server.socket_path else 3)


def test_missing_metadata_gets_503(client: FlaskClient) -> None:
    app = client.application
    app.state.lmcache_adapter = None  # type: ignore[attr-defined]  # An InternalApp.
    assert client.get("/sd/prometheus").status_code == 503


def test_password_in_model_name_is_masked() -> None:
    metadata = EmbeddedMetadata("s3://user:hunter2@host/model", SHAPE)
    told = str(groups_of(EmbeddedManager(EmbeddedConfig({"chunk_size": CHUNK, **ENABLED}), metadata)))
    assert "hunter2" not in told
    assert "s3://***@host/model" in told
