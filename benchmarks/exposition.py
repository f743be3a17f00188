"""/metrics by its size."""

from __future__ import annotations

from benchmarks.load import closed_loop
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

SIZES = (370, 3_000, 30_000)
WINDOW = 2
"""Duration of a load, in multiples of `Plan.seconds`."""

ASKED = {370: "≥ 1.6x"}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure scrapes with more and more metrics."""
    with serving(kind) as server:
        for lines in SIZES:
            server.call("fill", lines)
            for _ in range(plan.rounds):
                load = closed_loop(server.address, "/metrics", 1, WINDOW * plan.seconds)
                name = f"{lines:,} lines"
                yield [
                    Figure(name, load.per_second, "requests/s", ASKED.get(lines, "")),
                    Figure(f"{name}: p50", load.percentile(50), "ms"),
                    Figure(f"{name}: p99", load.percentile(99), "ms"),
                ]
