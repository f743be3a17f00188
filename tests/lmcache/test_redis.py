"""The real engine with a real Redis: tokens are retrieved from it, and calls that hang do not affect others."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.run import serving
from tests.support import accepts, eventually, free_port, takes_less

TIMEOUT = 2.0


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed")
    port = free_port()
    command = [
        server,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        str(tmp_path_factory.mktemp("r")),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        assert eventually(lambda: accepts(port))
        yield port
    finally:
        process.terminate()
        process.wait(60)


def ask(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Return status and body, decoded if it is JSON."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None)
        response = connection.getresponse()
        text = response.read().decode()
    finally:
        connection.close()
    return response.status, json.loads(text) if "json" in (response.getheader("Content-Type") or "") else text


def assert_answers(port: int, path: str) -> None:
    assert ask(port, "GET", path)[0] == 200, path


def test_tokens_are_retrieved_from_redis(tmp_path: Path, redis_port: int) -> None:
    with serving("real", tmp_path, local_disk=None, remote_serde="naive") as ports:
        worker = ports["worker"]
        assert ask(worker, "DELETE", "/backends/RemoteBackend")[0] == 200
        url = f"redis://127.0.0.1:{redis_port}"
        assert ask(worker, "POST", "/conf", {"remote_url": url}) == (200, {"updated": {"remote_url": url}})
        status, created = ask(worker, "POST", "/backends")
        assert (status, created["created"]) == (200, {"RemoteBackend": "RemoteBackend"})
        assert "warnings" not in created
        assert ask(worker, "POST", "/cache/store?tokens_mock=0,600")[0] == 200
        removed: list[int] = []

        def clear() -> bool:
            """Whether all is removed; chunks that are being written to Redis stay."""
            removed.append(ask(worker, "DELETE", "/cache/clear?locations=LocalCPUBackend")[1]["num_removed"])
            return sum(removed) == 512

        assert eventually(clear), removed
        assert ask(worker, "PUT", "/bypass/add?backend_name=RemoteBackend")[0] == 200
        assert ask(worker, "POST", "/cache/retrieve?tokens_mock=0,600")[1]["num_retrieved"] == 0
        assert ask(worker, "PUT", "/bypass/remove?backend_name=RemoteBackend")[0] == 200
        assert ask(worker, "POST", "/cache/retrieve?tokens_mock=0,600")[1]["num_retrieved"] == 512


def test_an_unreachable_remote_is_reported(tmp_path: Path) -> None:
    with serving("real", tmp_path, local_disk=None) as ports:
        worker = ports["worker"]
        assert ask(worker, "DELETE", "/backends/RemoteBackend")[0] == 200
        assert ask(worker, "POST", "/conf", {"remote_url": "nope://user:s3cret@host:1"})[0] == 200
        status, created = ask(worker, "POST", "/backends")
        assert status == 200
        assert created["warnings"] == {"RemoteBackend": "no connection to nope://***@host:1"}


def test_a_backend_that_never_closes_does_not_affect_others(tmp_path: Path, redis_port: int) -> None:
    values = {
        "local_disk": None,
        "remote_url": f"redis://127.0.0.1:{redis_port}",
        "extra_config": {"internal_api_server_call_timeout": TIMEOUT},
    }
    with serving("real", tmp_path, **values) as ports:
        worker = ports["worker"]
        began = time.monotonic()
        status, body = ask(worker, "DELETE", "/backends/RemoteBackend")
        assert status == 504
        assert TIMEOUT <= time.monotonic() - began < 20
        assert "close backend has been stuck since 20" in body["message"]
        # Calls that need the same lock are stuck, too, and get the same response.
        assert ask(worker, "GET", "/backends")[0] == 504
        for path in ("/lmc_version", "/metrics", "/threads", "/conf", "/meta", "/freeze/status", "/bypass/list"):
            assert takes_less(1, partial(assert_answers, worker, path)), path
        assert "(stuck since 20" in ask(worker, "GET", "/threads?name=close%20backend")[1]
        assert "\nlmcache_internal:stuck_calls 2.0\n" in ask(worker, "GET", "/metrics")[1]
        # Other changes are possible again.
        assert ask(worker, "PUT", "/freeze/enable")[0] == 200
        assert ask(worker, "POST", "/conf", {"min_retrieve_tokens": 1})[0] == 200


def test_a_lookup_client_that_is_never_created_does_not_affect_others(tmp_path: Path) -> None:
    with serving("real", tmp_path, extra_config={"internal_api_server_call_timeout": TIMEOUT}) as ports:
        scheduler = ports["scheduler"]
        status, body = ask(scheduler, "POST", "/lookup/create?dryrun=true")
        if status == 200:
            pytest.skip("this version of LMCache does return")
        assert (status, body["error"]) == (504, "Timed out")
        assert ask(scheduler, "GET", "/lookup/info")[0] == 200
