"""Runs a scheduler and a worker in one process, with our server or LMCache's, for the conformance tests.

    python tests/conformance/serve.py {embedded,real,lmcache} DIRECTORY [JSON of further config values]

Prints a line of JSON, {"scheduler": port, "worker": port}, and serves until its input ends.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata, InternalAPIServer
from lmcache_internal.engine.lmcache_names import load, module_of
from tests.support import accepts, eventually, free_port

SHAPE = (2, 2, 256, 4, 16)


def settings(port: int, directory: Path) -> dict[str, Any]:
    return {
        "chunk_size": SHAPE[2],
        "max_local_cpu_size": 0.25,
        "local_disk": f"file://{directory}/disk/",
        "max_local_disk_size": 1.0,
        "run_script_api_enabled": True,
        "script_allowed_imports": ["json"],
        "enable_chunk_statistics": True,
        "internal_api_server_enabled": True,
        "internal_api_server_port_start": port,
    }


def serve_embedded(values: dict[str, Any]) -> list[Any]:
    worker = EmbeddedManager(EmbeddedConfig(values), EmbeddedMetadata("test-model", SHAPE))
    scheduler_metadata = EmbeddedMetadata("test-model", SHAPE, role="scheduler")
    scheduler = EmbeddedManager(EmbeddedConfig(values), scheduler_metadata, workers=[worker.require_engine()])
    return [InternalAPIServer(scheduler), InternalAPIServer(worker)]


def serve_real(values: dict[str, Any], ours: bool, directory: Path) -> list[Any]:
    from lmcache_internal.integrations.lmcache import install
    from lmcache_internal.testing.real_engine import make_scheduler, make_worker

    if ours:
        install()
    values = {"remote_url": f"fs://host:0{directory}/fs/", "remote_serde": "naive", **values}
    # The parent's id, so that all servers of a run have the same engine id.
    engine_id = f"conformance-{os.getppid()}"
    worker = make_worker(engine_id, **values)
    scheduler = make_scheduler(engine_id, **values)
    scheduler.api_server.app.state.lmcache_controller_manager = make_controller()
    return [scheduler, worker]


def make_controller() -> Any:
    """Return a controller with three workers of two instances, through LMCache's own registration code."""
    message = importlib.import_module(module_of("RegisterMsg"))
    urls = {"pull": f"127.0.0.1:{free_port()}", "reply": None, "heartbeat": None}
    controller = load("LMCacheControllerManager")(urls, health_check_interval=0, lmcache_worker_timeout=300)
    admitted = [message.KVOpEvent(op_type=message.OpType.ADMIT, key=key, seq_num=key) for key in range(3)]

    async def register() -> None:
        for instance, worker in (("inst-a", 0), ("inst-a", 1), ("inst-b", 0)):
            registration = message.RegisterMsg(
                instance_id=instance, worker_id=worker, ip="127.0.0.1", port=9000 + worker, peer_init_url=None
            )
            await controller.handle_worker_message(registration)
        operations = message.BatchedKVOperationMsg(
            instance_id="inst-a", worker_id=0, location="LocalCPUBackend", operations=admitted
        )
        await controller.handle_worker_message(operations)

    asyncio.run(register())
    return controller


def wait_for(port: int) -> None:
    if not eventually(lambda: accepts(port), 300):
        raise TimeoutError(f"nothing listens on port {port}")


def main() -> None:
    kind, directory = sys.argv[1], Path(sys.argv[2])
    port = free_port(2)
    values = settings(port, directory) | json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}")
    # Keep references: a garbage-collected server stops.
    held = serve_embedded(values) if kind == "embedded" else serve_real(values, kind == "real", directory)
    for server in held if kind == "embedded" else ():
        server.start()
    for listening in (port, port + 1):
        wait_for(listening)
    print(json.dumps({"scheduler": port, "worker": port + 1}), flush=True)
    sys.stdin.read()
    os._exit(0)  # A stuck engine call must not keep the process alive.


if __name__ == "__main__":
    try:
        main()
    except Exception:  # After any failure, exit: the engine's threads would keep the process alive.
        traceback.print_exc()
        os._exit(1)
