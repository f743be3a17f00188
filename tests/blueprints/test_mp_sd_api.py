"""GET /sd/prometheus of an MP server: it lists itself, as it can be reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.engine.mp.config import MPConfig
from tests.mp_support import mp_manager
from tests.security.support import ask
from tests.support import fetch, free_port

LABELS = {"__meta_lmcache_role": "mp_server"}


def listed(config: MPConfig) -> Any:
    with mp_manager(None, config) as manager:
        response = create_app(manager).test_client().get("/sd/prometheus")
    assert (response.status_code, response.content_type) == (200, "application/json")
    return response.get_json()


@pytest.mark.parametrize(("host", "target"), [("10.0.0.7", "10.0.0.7:8123"), ("::1", "[::1]:8123")])
def test_server_lists_itself_without_an_index(host: str, target: str) -> None:
    assert listed(MPConfig(host, 8123)) == [{"targets": [target], "labels": LABELS}]


def test_unix_socket_is_not_listed_but_the_public_listener_is(tmp_path: Path) -> None:
    values: dict[str, Any] = {"internal_api_server_socket_path_prefix": str(tmp_path / "socket")}
    assert listed(MPConfig(port=8123, values=values)) == []
    public = {"internal_api_server_public_port_start": 9400, "internal_api_server_public_host": "10.0.0.7"}
    found = listed(MPConfig(port=8123, values={**values, "extra_config": public}))
    assert found == [{"targets": ["10.0.0.7:9400"], "labels": LABELS}]


def test_server_on_all_addresses_is_listed_under_the_requested_host() -> None:
    config = MPConfig("0.0.0.0", free_port())
    port = config.internal_api_server_port_start
    with mp_manager(None, config) as manager, InternalAPIServer(manager) as server:
        status, body = fetch(server, "/sd/prometheus")
        assert (status, json.loads(body)) == (200, [{"targets": [f"localhost:{port}"], "labels": LABELS}])
        assert f"[::1]:{port}" in ask(server, "GET /sd/prometheus", "Host: [::1]:1").body.decode()
        assert ask(server, "GET /sd/prometheus", "Host: evil.example").status == 403
