"""Latency beside many idle connections."""

from __future__ import annotations

import select
from contextlib import closing

from benchmarks.client import Client, get
from benchmarks.load import closed_loop, connected
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, Server, serving

MANY = 1000
WAIT_SECONDS = 1.0


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /lmc_version with one client beside idle connections, and how many of a thousand are served."""
    with serving(kind) as server:
        for _ in range(plan.rounds):
            for connections in (0, 10, 100, 900):
                yield _ask_beside(server, connections, plan.seconds)
            with connected(MANY, server.address, get("/lmc_version")) as many:
                answered = sum(_is_answered(client) for client in many)
            yield [Figure(f"answered of {MANY:,} that stay connected", answered, "clients")]


def _ask_beside(server: Server, connections: int, seconds: float) -> list[Figure]:
    before = server.call("memory")
    with connected(connections, server.address, get("/lmc_version")) as idle:
        for client in idle:
            client.ask()
        load = closed_loop(server.address, "/lmc_version", 1, seconds)
        grown = server.call("memory") - before
    name = f"{connections} idle connections"
    return [
        Figure(name, load.per_second, "requests/s"),
        Figure(f"{name}: p99", load.percentile(99), "ms"),
        Figure(f"{name}: memory", grown / 1e6, "MB"),
    ]


def _is_answered(client: Client) -> bool:
    client.send()
    with closing(select.epoll()) as poll:
        poll.register(client, select.EPOLLIN)
        answers = bool(poll.poll(WAIT_SECONDS))
    if answers:
        client.finish()
    return answers
