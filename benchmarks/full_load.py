"""As many requests as the server answers, beside an engine thread that only runs Python."""

from __future__ import annotations

from functools import partial

from benchmarks.engine import beside
from benchmarks.load import closed_loop
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 5
"""Duration of a load, in multiples of `Plan.seconds`."""

LOADS = {
    "1 client": ("/lmc_version", 1, "≥ 5x"),
    "8 clients": ("/lmc_version", 8, "≥ 5x"),
    "8 clients of /metrics": ("/metrics", 8, ""),
    "8 clients of /threads": ("/threads", 8, ""),
}
"""The path, the number of clients, and the target for the requests per second; the event loop serves the first two."""


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure clients at full speed, and what the engine keeps."""
    seconds = WINDOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for name, (path, clients, asked) in LOADS.items():
                load = partial(closed_loop, server.address, path, clients, seconds, sleepless=False)
                found = beside(server, seconds / 2, load)
                yield [
                    Figure(name, found.load.per_second, "requests/s", asked),
                    Figure(f"{name}: p99", found.load.percentile(99), "ms"),
                    Figure(f"{name}: left to the engine", 100 * found.left, "% left", "≥ 88"),
                ]
