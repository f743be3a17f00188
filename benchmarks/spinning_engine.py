"""Requests at a steady rate beside an engine thread that only runs Python, and what they cost that thread."""

from __future__ import annotations

from functools import partial

from benchmarks.engine import Beside, beside
from benchmarks.load import steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 10
"""Duration of a load, in multiples of `Plan.seconds`."""

PROMETHEUS = (
    "User-Agent: Prometheus/3.5.0\r\n"
    "Accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n"
    "Accept-Encoding: gzip\r\n"
    "X-Prometheus-Scrape-Timeout-Seconds: 10\r\n"
)
"""The headers of Prometheus, which accepts compressed responses."""

LOADS = {
    "/lmc_version, 10 a second": ("/lmc_version", 10, ""),
    "/metrics, 10 a second": ("/metrics", 10, ""),
    "/metrics, 1 a second": ("/metrics", 1, ""),
    "/metrics to Prometheus, 10 a second": ("/metrics", 10, PROMETHEUS),
}
ASKED = {
    "/lmc_version, 10 a second: p50": "≤ 7",
    "/metrics, 10 a second: p50": "≤ 20",
    "/metrics, 10 a second: engine loses per request": "≤ 0.65x",
}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /lmc_version and /metrics at 10 requests per second, and /metrics at 1 per second."""
    seconds = WINDOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for name, (path, rate, headers) in LOADS.items():
                load = partial(steady, server.address, path, rate, seconds, headers)
                yield _figures(name, beside(server, seconds / 4, load))


def _figures(name: str, found: Beside) -> list[Figure]:
    load = found.load
    values = {
        "p50": load.percentile(50),
        "p99": load.percentile(99),
        "engine loses per request": found.lost / len(load.latencies),
        "engine loses per second": found.lost / load.seconds,
    }
    return [Figure(key := f"{name}: {what}", value, "ms", ASKED.get(key, "")) for what, value in values.items()]
