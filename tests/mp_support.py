"""A small embedded MP engine with something in its cache, and the routes of LMCache's MP server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from lmcache_internal.engine.embedded_mp.workers import Worker
from lmcache_internal.engine.mp.config import MPConfig

INSTANCE = 1000
MODEL = "test-model"
TOKENS = list(range(64))
CHUNKS = 4
"""Chunks of `TOKENS`, and as many objects: the worker is alone."""

LMCACHE_ROUTES = (
    "GET /",
    "GET /healthcheck",
    "GET /status",
    "GET /version",
    "GET /lmc_version",
    "GET /commit_id",
    "GET /config",
    "GET /config/adapters",
    "GET /cache/objects",
    "DELETE /cache/objects",
    "POST /cache/prefetches",
    "GET /cache/prefetches/{request_id}",
    "POST /cache/clear",
    "POST /cache/checksums",
    "GET /quota",
    "GET /quota/{cache_salt}",
    "PUT /quota/{cache_salt}",
    "DELETE /quota/{cache_salt}",
    "GET /reconfigure/{backend}/l2/status",
    "POST /reconfigure/{backend}/l2/{operation}",
    "GET /reconfigure/dax/l1/status",
    "POST /reconfigure/dax/l1/add",
    "POST /reconfigure/dax/l1/remove",
    "GET /env",
    "GET /loglevel",
    "GET /metrics",
    "POST /metrics/reset",
    "GET /threads",
    "GET /periodic-threads",
    "GET /periodic-threads/{name}",
    "GET /periodic-threads-health",
    "POST /run_script",
)


@contextmanager
def mp_manager(l2: Path | None, config: MPConfig | None = None) -> Iterator[EmbeddedMPManager]:
    """The manager of an embedded MP engine that has stored `TOKENS` for one worker."""
    with EmbeddedMPManager(config, l2_directories=[str(l2)] if l2 else []) as manager:
        manager.engine.register_worker(INSTANCE, Worker(MODEL))
        manager.engine.store(INSTANCE, TOKENS)
        yield manager
