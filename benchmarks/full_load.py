"""As many requests as the server answers, beside an engine thread that only runs Python."""

from __future__ import annotations

from functools import partial

from benchmarks.engine import beside
from benchmarks.load import closed_loop
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 5
"""Duration of a load, in multiples of `Plan.seconds`."""


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /lmc_version with one client and with eight at full speed, and what the engine keeps."""
    seconds = WINDOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for clients in (1, 8):
                load = partial(closed_loop, server.address, "/lmc_version", clients, seconds, sleepless=False)
                found = beside(server, seconds / 2, load)
                name = f"{clients} client{'s' * (clients > 1)}"
                yield [
                    Figure(name, found.load.per_second, "requests/s", "≥ 5x"),
                    Figure(f"{name}: p99", found.load.percentile(99), "ms"),
                    Figure(f"{name}: left to the engine", 100 * found.left, "% left", "≥ 88"),
                ]
