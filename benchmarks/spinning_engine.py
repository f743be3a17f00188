"""Requests at a steady rate beside an engine thread that only runs Python, and what they cost that thread."""

from __future__ import annotations

from functools import partial

from benchmarks.engine import Pace, pace, spinning
from benchmarks.load import steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 8
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
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for path, rate in RATES:
                with spinning(server):
                    found = pace(server, partial(steady, server.address, path, rate, WINDOW * plan.seconds))
                yield _figures(f"{path}, {rate} a second", found)


def _figures(name: str, found: Pace) -> list[Figure]:
    load = found.load
    values = {
        "p50": (load.percentile(50), "ms"),
        "p99": (load.percentile(99), "ms"),
        "engine loses per request": (1000 * found.blocked / len(load.latencies), "ms"),
        "engine loses per second": (1000 * found.blocked / load.seconds, "ms"),
    }
    return [Figure(key := f"{name}: {what}", value, unit, ASKED.get(key, "")) for what, (value, unit) in values.items()]
