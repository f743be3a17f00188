"""The facts that the doctor reads from the real engine."""

from __future__ import annotations

from typing import Any

from lmcache_internal import create_app
from lmcache_internal.engine.lmcache_names import load
from lmcache_internal.testing.real_engine import make_worker


def test_modes_and_memory_of_a_worker() -> None:
    worker = make_worker("doctor-facts")
    try:
        app = create_app(worker)
        client = app.test_client()
        facts: dict[str, Any] = client.get("/doctor").get_json()["facts"]
        assert facts["not_collected"] == {}
        assert facts["mode"]["is_healthy"]
        assert facts["mode"]["in_service"] == facts["mode"]["backends"] == ["LocalCPUBackend"]
        if hasattr(load("LMCacheMetadata"), "get_shapes"):
            # Two layers, keys and values, chunks of 256 tokens, 4 heads of 16, float16.
            assert facts["memory"]["chunk_bytes"] == 2 * 2 * 256 * 4 * 16 * 2
        client.put("/freeze/enable")
        worker.lmcache_engine.storage_manager.set_backend_bypass("LocalCPUBackend", True)
        findings = {each["code"] for each in create_app(worker).test_client().get("/doctor").get_json()["findings"]}
        assert {"frozen", "bypassed"} <= findings
    finally:
        worker.stop_services()
