"""MP mode: the CPU time of a scrape of /metrics."""

from __future__ import annotations

import time

from benchmarks.idle import activity
from benchmarks.load import closed_loop
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.mp_servers import serving_mp
from benchmarks.servers import Kind

WINDOW = 5
"""Duration of a measurement, in multiples of `Plan.seconds`."""


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure the CPU time of the process during scrapes, without the CPU time that it uses when idle."""
    seconds = WINDOW * plan.seconds
    with serving_mp(kind) as server:
        closed_loop(server.address, "/metrics", 1, seconds)  # The first scrapes initialize the server.
        for _ in range(plan.rounds):
            before = activity(server.pid)[1]
            time.sleep(seconds)
            idle = (activity(server.pid)[1] - before) / seconds
            before = activity(server.pid)[1]
            load = closed_loop(server.address, "/metrics", 1, seconds)
            used = activity(server.pid)[1] - before - idle * load.seconds
            yield [
                Figure("CPU of a scrape", max(0.0, used) / len(load.latencies) * 1000, "ms", "≤ 1x"),
                Figure("a scrape: p50", load.percentile(50), "ms"),
            ]
