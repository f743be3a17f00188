"""How long a request on a new connection waits, while other clients keep the threads of the server busy."""

from __future__ import annotations

import multiprocessing
import time

from benchmarks.load import closed_loop, steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

CLIENTS = 30
PER_SECOND = 25
WINDOW = 8
"""Duration of the requests, in multiples of `Plan.seconds`."""
HEAD_START_SECONDS = 1
"""Time until the load has started. It runs in another process, so that it does not delay the measured client."""
PROBED = {"ours": ("/livez", "/lmc_version"), "lmcache": ("/lmc_version", "/lmc_version")}
"""LMCache's server has no probe, so its cheapest endpoint is measured instead."""


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /livez and /lmc_version on new connections, beside 30 clients that flood /backends or /metrics."""
    seconds = WINDOW * plan.seconds
    processes = multiprocessing.get_context("spawn")
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for flood in ("/backends", "/metrics"):
                for asked, path in zip(("/livez", "/lmc_version"), PROBED[kind], strict=True):
                    arguments = (server.address, flood, CLIENTS, seconds + 2 * HEAD_START_SECONDS)
                    others = processes.Process(target=closed_loop, args=arguments, kwargs={"sleepless": False})
                    others.start()
                    time.sleep(HEAD_START_SECONDS)
                    load = steady(server.address, path, PER_SECOND, seconds, reconnect=True)
                    others.join()
                    name = f"a fresh {asked} beside {flood}"
                    yield [
                        Figure(f"{name}: p50", load.percentile(50), "ms"),
                        Figure(f"{name}: p99", load.percentile(99), "ms"),
                    ]
