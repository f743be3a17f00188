"""How long a request that takes a thread waits, while other clients keep the server at full load."""

from __future__ import annotations

import multiprocessing
import time

from benchmarks.client import Address
from benchmarks.load import Load, closed_loop, steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

PER_SECOND = 20
WINDOW = 2
"""Duration of the requests, in multiples of `Plan.seconds`."""
HEAD_START_SECONDS = 1
"""Time until the load has started. It runs in another process, so that it does not delay the measured client."""


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /backends at a constant rate, beside 1 and 8 clients that request /lmc_version all the time."""
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for clients in (1, 8):
                load = beside_clients(server.address, clients, WINDOW * plan.seconds)
                name = f"beside {clients} client{'s' * (clients > 1)}"
                yield [
                    Figure(f"{name}: {label}", load.percentile(percent), "ms")
                    for label, percent in (("p50", 50), ("p99", 99), ("worst", 100))
                ]


def beside_clients(address: Address, clients: int, seconds: float) -> Load:
    """Request /backends at a constant rate, beside clients that request /lmc_version all the time."""
    arguments = (address, "/lmc_version", clients, seconds + 2 * HEAD_START_SECONDS)
    processes = multiprocessing.get_context("spawn")
    others = processes.Process(target=closed_loop, args=arguments, kwargs={"sleepless": False})
    others.start()
    time.sleep(HEAD_START_SECONDS)
    load = steady(address, "/backends", PER_SECOND, seconds)
    others.join()
    return load
