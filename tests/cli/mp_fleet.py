"""MP servers to command: ours over a real socket, and one that responds as LMCache's own does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli import main
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.mp.config import MPConfig
from tests.http_server import Asked, Reply, responding
from tests.mp_support import mp_manager
from tests.support import free_port

STATUS: dict[str, Any] = {
    "is_healthy": True,
    "engine_type": "MPCacheServer",
    "active_sessions": 3,
    "storage_manager": {
        "is_healthy": True,
        "l1_usage": [1 << 28, 1 << 30],
        "l1_manager": {"is_healthy": True, "memory_used_bytes": 1 << 28, "memory_total_bytes": 1 << 30},
        "l2_adapters": [{"is_healthy": True, "type": "FSL2Adapter", "base_path": "/l2"}],
    },
    "registered_gpu_ids": [1000, 1001],
}
METRICS = """\
# HELP lmcache_mp_l2_usage_bytes Bytes in L2
# TYPE lmcache_mp_l2_usage_bytes gauge
lmcache_mp_l2_usage_bytes{l2_name="fs"} 2.097152e+06
# HELP lmcache_mp_lookup_requested_tokens_total Tokens
# TYPE lmcache_mp_lookup_requested_tokens_total counter
lmcache_mp_lookup_requested_tokens_total{cache_salt="alice",model_name="m"} 2048.0
# HELP lmcache_mp_lookup_hit_tokens_total Tokens
# TYPE lmcache_mp_lookup_hit_tokens_total counter
lmcache_mp_lookup_hit_tokens_total{cache_salt="alice",model_name="m"} 512.0
"""
THREADS = """\
Thread: <_MainThread(MainThread, started 139721160764288)>
Stack trace:
  File "/a/server.py", line 86, in run
    return serve()
  File "/a/server.py", line 90, in serve
    wait()

Thread: <Thread(mq-server-thread, started daemon 139721160764289)>
Stack trace:
  File "/a/mq.py", line 7, in run
    poll()

Total threads: 2
"""


@contextmanager
def ours(l2: Path | None, values: dict[str, Any] | None = None) -> Iterator[tuple[str, EmbeddedMPManager]]:
    """Our MP server with objects of one worker; yields its URL and its manager."""
    config = MPConfig(port=free_port(), values=values)
    with mp_manager(l2, config) as manager, InternalAPIServer(manager):
        yield f"http://127.0.0.1:{config.internal_api_server_port_start}", manager


class LMCache:
    """What LMCache's own MP server responds: JSON by path, and texts; everything else is FastAPI's 404.

    Attributes:
        bodies: the body for each `METHOD /path`; a text is sent as it is, everything else as JSON.
        key: the API key that all paths but `/` and `/healthcheck` need, as in LMCache 0.5.7; None without one.
        asked: each request, as `METHOD /path?query`.
    """

    def __init__(self, key: str | None = None) -> None:
        self.key = key
        self.asked: list[str] = []
        self.bodies: dict[str, Any] = {
            "GET /": {"status": "ok", "service": "LMCache HTTP API"},
            "GET /status": STATUS,
            "GET /lmc_version": '"0.5.6"',
            "GET /version": '"0.5.6-gabc"',
            "GET /metrics": METRICS,
            "GET /threads": THREADS,
            "GET /config": {"mp": {"chunk_size": 256}, "storage_manager": {"adapters": [{"password": "hunter2"}]}},
            "GET /config/adapters": {"adapters": []},
            "GET /quota": {"users": {"alice": {"limit_gb": 1.0, "current_usage_gb": 0.5}}},
            "GET /loglevel": "=== Loggers and Levels ===\n",
        }

    def respond(self, method: str, path: str, authorization: str | None) -> tuple[int, str]:
        """Return the status and the body."""
        self.asked.append(f"{method} {path}")
        bare = path.partition("?")[0]
        if self.key and bare not in ("/", "/healthcheck") and authorization != f"Bearer {self.key}":
            return 401, json.dumps({"detail": "Invalid or missing API key"})
        body = self.bodies.get(f"{method} {bare}")
        if body is None:
            return 404, json.dumps({"detail": "Not Found"})
        return 200, body if isinstance(body, str) else json.dumps(body)


@contextmanager
def lmcaches(key: str | None = None) -> Iterator[tuple[str, LMCache]]:
    """A server that responds as LMCache's own; yields its URL and what it responds."""
    found = LMCache(key)

    def respond(asked: Asked) -> Reply:
        return Reply(*found.respond(asked.method, asked.path, asked.headers.get("authorization")))

    with responding(respond) as url:
        yield url, found


def register(coordinator: LMCache, *urls: str) -> None:
    """Let a server respond as LMCache's coordinator, where these MP servers are registered."""
    places = [url.removeprefix("http://").rpartition(":") for url in urls]
    coordinator.bodies["GET /instances"] = {
        "instances": [
            {"instance_id": f"mp-{ip}-{port}", "ip": ip, "http_port": int(port), "metadata": {}, "mq_port": 0}
            for ip, _, port in places
        ]
    }


def run(*arguments: str, **variables: str | None) -> Result:
    env = {"LMCACHE_CONFIG_FILE": None, "COLUMNS": "10000", "LMCACHE_INTERNAL_TOKEN": None, **variables}
    return CliRunner().invoke(main, arguments, env=env)


def run_json(*arguments: str, **variables: str | None) -> Any:
    return json.loads(run(*arguments, "--json", **variables).stdout)
