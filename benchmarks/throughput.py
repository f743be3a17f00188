"""Requests a second and latencies, by clients that ask again at once."""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.load import Load, closed_loop
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import TRANSPORTS, Kind, serving

PATHS = ("/lmc_version", "/conf", "/meta", "/metrics", "/threads")
CLIENTS = (1, 8, 64)

ASKED = {
    **{
        f"{path}, tcp, {count} client{'s' * (count > 1)}": "≥ 2.5x"
        for path in ("/lmc_version", "/conf")
        for count in CLIENTS
    },
    "/metrics, tcp, 1 client": "≥ 1.6x",
}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure each path, over TCP and over a Unix socket, with few clients and with many."""
    with ExitStack() as stack:
        servers = {transport: stack.enter_context(serving(kind, transport=transport)) for transport in TRANSPORTS}
        for _ in range(plan.rounds):
            for path in PATHS:
                for transport, server in servers.items():
                    for clients in CLIENTS:
                        load = closed_loop(server.address, path, clients, plan.seconds)
                        yield figures(f"{path}, {transport}, {clients} client{'s' * (clients > 1)}", load)


def figures(name: str, load: Load) -> list[Figure]:
    """Return the figures of a closed loop."""
    refused = 100 * load.refused / (load.refused + len(load.latencies))
    return [
        Figure(name, load.per_second, "requests/s", ASKED.get(name, "")),
        Figure(f"{name}: p50", load.percentile(50), "ms"),
        Figure(f"{name}: p99", load.percentile(99), "ms"),
        *([Figure(f"{name}: turned away", refused, "% of requests")] if refused else []),
    ]
