"""A process that starts one server, and prints the seconds and bytes until the first response.

python -m benchmarks.newborn {lmcache,ours} {bare,engine,manager} PORT
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from time import perf_counter
from typing import Any

from benchmarks.client import first_answer
from benchmarks.parts import manager_without_engine, resident_bytes, server_class

LOADED = {"bare": (), "engine": ("lmcache.v1.cache_engine",), "manager": ("lmcache.v1.manager",)}


def embedded_manager(values: dict[str, Any]) -> Any:
    """The embedded engine."""
    from lmcache_internal import EmbeddedConfig, EmbeddedManager, EmbeddedMetadata

    return EmbeddedManager(EmbeddedConfig(values), EmbeddedMetadata("model", (2, 2, 256, 2, 4), role="scheduler"))


def main() -> None:
    """Load the engine that the state names, then start the server."""
    kind, state, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
    for module in LOADED[state]:
        importlib.import_module(module)
    values = {"internal_api_server_enabled": True, "internal_api_server_port_start": port}
    make = embedded_manager if (kind, state) == ("ours", "bare") else manager_without_engine
    manager = make(values) if state != "bare" else None
    before, begun = resident_bytes(), perf_counter()
    server = server_class(kind)(manager or make(values))
    server.start()
    first_answer(("127.0.0.1", port), "/lmc_version")
    print(json.dumps([perf_counter() - begun, resident_bytes() - before]), flush=True)
    os._exit(0)  # LMCache's threads would keep the process alive.


if __name__ == "__main__":
    main()
