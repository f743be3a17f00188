"""Requests at a steady rate beside an engine thread that only runs Python, and what they cost that thread."""

from __future__ import annotations

from functools import partial

from benchmarks.engine import Beside, beside
from benchmarks.load import steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 10
"""A load lasts this many times `Plan.seconds`."""

RATES = (("/lmc_version", 10), ("/metrics", 10), ("/metrics", 1))
ASKED = {
    "/lmc_version, 10 a second: p50": "≤ 6.5",
    "/lmc_version, 10 a second: p99": "≤ 7.5",
    "/lmc_version, 10 a second: engine loses per request": "≤ 0.6x",
    "/metrics, 10 a second: p50": "≤ 8",
    "/metrics, 10 a second: p99": "≤ 10",
    "/metrics, 10 a second: engine loses per request": "≤ 0.5x",
    "/metrics, 1 a second: p50": "≤ 7",
}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """/lmc_version and /metrics at 10 a second, /metrics at 1 a second."""
    seconds = WINDOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for path, rate in RATES:
                found = beside(server, seconds / 4, partial(steady, server.address, path, rate, seconds))
                yield _figures(f"{path}, {rate} a second", found)


def _figures(name: str, found: Beside) -> list[Figure]:
    load = found.load
    values = {
        "p50": load.percentile(50),
        "p99": load.percentile(99),
        "engine loses per request": found.lost / len(load.latencies),
        "engine loses per second": found.lost / load.seconds,
    }
    return [Figure(key := f"{name}: {what}", value, "ms", ASKED.get(key, "")) for what, value in values.items()]
