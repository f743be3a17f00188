"""Requests a second where each has a connection of its own."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.load import closed_loop
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import TRANSPORTS, Kind, serving

ASKED = {("tcp", 1): "≥ 2x", ("tcp", 8): "≥ 2.5x"}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /lmc_version with one client and with eight."""
    with ExitStack() as stack:
        servers = {transport: stack.enter_context(serving(kind, transport=transport)) for transport in TRANSPORTS}
        for _ in range(plan.rounds):
            for transport, server in servers.items():
                for clients in (1, 8):
                    load = closed_loop(server.address, "/lmc_version", clients, plan.seconds, reconnect=True)
                    name = f"{transport}, {clients} client{'s' * (clients > 1)}"
                    yield [
                        Figure(name, load.per_second, "requests/s", ASKED.get((transport, clients), "")),
                        Figure(f"{name}: p99", load.percentile(99), "ms"),
                    ]
