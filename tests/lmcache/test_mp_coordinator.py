"""LMCache's real coordinator and our MP server: membership, prefetches and deletes through both."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

from tests.support import eventually, free_port, lmcache_release

if lmcache_release() < (0, 5, 6):
    pytest.skip("the routes are those of LMCache 0.5.6 and later", allow_module_level=True)
pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")

from tests.lmcache.mp_engine import OURS, Served, fetch, serving, store, worker

MODEL = {"instance_id": "node-a", "model_name": "test-model", "world_size": 1}


class Coordinator:
    """A process of LMCache's coordinator."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        request = Request(self.url + path, body and json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=120) as response:
                return response.status, json.loads(response.read())
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def instances(self) -> list[dict[str, Any]]:
        return list(self.ask("/instances")[1]["instances"])

    def is_ready(self) -> bool:
        with contextlib.suppress(URLError, OSError):
            return self.ask("/healthz")[0] == 200
        return False


@pytest.fixture(scope="module")
def coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coordinator]:
    directory, found = tmp_path_factory.mktemp("coordinator"), Coordinator(free_port())
    command = [sys.executable, "-m", "lmcache.cli.main", "coordinator", "--host", "127.0.0.1"]
    command += ["--port", found.url.rpartition(":")[2], "--instance-timeout", "8", "--health-check-interval", "0.5"]
    environ = {**os.environ, "LMCACHE_TRACK_USAGE": "false"}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ, cwd=directory)
        try:
            assert eventually(found.is_ready), (directory / "log").read_text()[-3000:]
            yield found
        finally:
            process.terminate()
            process.wait(120)


@contextlib.contextmanager
def member(coordinator: Coordinator, directory: Path) -> Iterator[Served]:
    options = ["--coordinator-url", coordinator.url, "--coordinator-advertise-ip", "127.0.0.1"]
    options += ["--coordinator-heartbeat-interval", "0.5", "--coordinator-event-reporting", "--instance-id", "node-a"]
    with serving(directory, OURS, *options) as served:
        yield served


def test_the_coordinator_uses_the_server(coordinator: Coordinator, tmp_path: Path) -> None:
    with member(coordinator, tmp_path) as served, worker(served) as client:
        assert eventually(lambda: [each["instance_id"] for each in coordinator.instances()] == ["node-a"])
        (instance,) = coordinator.instances()
        assert (instance["ip"], instance["http_port"]) == ("127.0.0.1", served.http)
        registered = time.monotonic()
        tokens = store(client)
        files = tmp_path / "l2"
        assert eventually(lambda: len(list(files.glob("*.data"))) >= 2)
        assert fetch(served, "/cache/clear", "POST")[0] == 200

        state = prefetched_by(coordinator, tokens)
        assert state["found_keys"] == state["total_keys"] > 0
        # 2 MB in one request.
        status, begun = coordinator.ask("/cache/prefetches", {**MODEL, "token_ids": [250_000] * 250_000})
        assert (status, begun["status"]) == (200, "submitted"), begun

        # Heartbeats keep it registered: without one, it is removed after 8 s.
        time.sleep(max(0.0, registered + 10 - time.monotonic()))
        assert len(coordinator.instances()) == 1
        status, deleted = coordinator.ask("/cache/delete", {**MODEL, "token_ids": tokens, "tier": "all", "force": True})
        assert (status, deleted["status"]) == (200, "deleted"), deleted
        assert deleted["affected"] > 0
        assert list(files.glob("*.data")) == []
    assert coordinator.instances() == []
    assert "Traceback" not in served.text()


def prefetched_by(coordinator: Coordinator, tokens: list[int]) -> dict[str, Any]:
    status, begun = coordinator.ask("/cache/prefetches", {**MODEL, "token_ids": tokens})
    assert status == 200, begun
    until = time.monotonic() + 60
    while time.monotonic() < until:
        state = coordinator.ask(f"/cache/prefetches/node-a/{begun['request_id']}")[1]
        if state["status"] == "completed":
            return dict(state)
        time.sleep(0.05)
    raise AssertionError("the prefetch does not end")
