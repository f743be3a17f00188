"""How long stopping takes, and what starting and stopping leaves behind."""

from __future__ import annotations

from benchmarks.client import get
from benchmarks.load import connected
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, Server, serving

IDLE_CLIENTS = 8
WARM_UP_RESTARTS = 3


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure a process with a server and no engine; a new process per round, because later starts reuse its memory."""
    for _ in range(plan.rounds):
        with serving(kind, engine="none") as server:
            yield [Figure("stop with idle clients", 1000 * _stop(server), "ms", "≤ 5")]
            server.call("restart", WARM_UP_RESTARTS)
            before = server.call("memory")
            server.call("restart", plan.restarts)
            grown = server.call("memory") - before
            yield [Figure(f"memory after {plan.restarts} starts and stops", grown / 1e6, "MB", "≤ 0.5")]


def _stop(server: Server) -> float:
    with connected(IDLE_CLIENTS, server.address, get("/lmc_version")) as idle:
        for client in idle:
            client.ask()
        return float(server.call("stop"))
