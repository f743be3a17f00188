"""How long a request takes while others are slow."""

from __future__ import annotations

from benchmarks.client import post_script
from benchmarks.load import connected, steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

PER_SECOND = 50
SLOW = 2
"""Duration of slow requests, in multiples of `Plan.seconds`."""

SCRIPTS = {
    "sleeping": "import time\ntime.sleep({})",
    "burning CPU": "import time\nuntil = time.monotonic() + {}\nwhile time.monotonic() < until:\n    pass",
}
ASKED = {
    **{f"{count} sleeping: worst": "≤ 3" for count in (1, 4, 8)},
    "1 burning CPU: p99": "≤ 8",
    "1 burning CPU: worst": "≤ 12",
}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /lmc_version at a constant rate, beside 1, 4 and 8 scripts that sleep or use the CPU."""
    seconds = SLOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for what, script in SCRIPTS.items():
                for count in (1, 4, 8):
                    with connected(count, server.address, post_script(script.format(seconds))) as slow:
                        for client in slow:
                            client.send()
                        load = steady(server.address, "/lmc_version", PER_SECOND, seconds)
                        for client in slow:
                            client.finish()
                    refused = sum(client.status != 200 for client in slow)
                    name = f"{count} {what}"
                    yield [
                        *(
                            Figure(key := f"{name}: {label}", load.percentile(percent), "ms", ASKED.get(key, ""))
                            for label, percent in (("p50", 50), ("p99", 99), ("worst", 100))
                        ),
                        *([Figure(f"{name}: turned away", refused, "requests")] if refused else []),
                    ]
