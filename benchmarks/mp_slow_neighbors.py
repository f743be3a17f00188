"""MP mode: the health check while scripts run.

A script stands for any slow request. LMCache's MP server runs all requests on one event loop.
"""

from __future__ import annotations

from benchmarks.client import post_script
from benchmarks.load import connected, steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.mp_servers import serving_mp
from benchmarks.servers import Kind
from benchmarks.slow_neighbors import SCRIPTS

PER_SECOND = 50
SLOW = 5
"""Duration of a script, in multiples of `Plan.seconds`: 2 s."""
ASKED = "≤ 60"


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /healthcheck at a constant rate, beside 1, 4 and 8 scripts that use the CPU for 2 s each."""
    seconds = SLOW * plan.seconds
    with serving_mp(kind) as server:
        for _ in range(plan.rounds):
            for count in (1, 4, 8):
                with connected(count, server.address, post_script(SCRIPTS["burning CPU"].format(seconds))) as slow:
                    for client in slow:
                        client.send()
                    load = steady(server.address, "/healthcheck", PER_SECOND, seconds)
                    for client in slow:
                        client.finish()
                if any(client.status != 200 for client in slow):
                    raise RuntimeError(f"{kind} refused a script: {[client.status for client in slow]}")
                name = f"{count} burning CPU"
                yield [
                    Figure(f"{name}: p50", load.percentile(50), "ms"),
                    Figure(f"{name}: worst", load.percentile(100), "ms", ASKED),
                ]
