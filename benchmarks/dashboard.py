"""What a poll of the dashboard's overview costs a busy engine, beside a scrape."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from time import perf_counter

from benchmarks.client import Address, Client, get
from benchmarks.engine import Beside, beside
from benchmarks.load import Load, steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 10
"""Duration of a load, in multiples of `Plan.seconds`."""

POLLS_PER_SECOND = 10
"""More than the page's 0.5, so that the cost is well above the noise."""

HEADERS = "Accept: application/json\r\nLmcache-Internal-Poll: 1\r\n"
TEXT_HEADERS = "Accept: text/plain\r\nLmcache-Internal-Poll: 1\r\n"
RARE = ("/audit", "/conf/history", "/periodic-threads")
"""What the page reads with every fifth poll: every 10 s."""
POLLS_PER_RARE = 5


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure scrapes and, of this server alone, polls of the overview, beside an engine thread that runs Python."""
    seconds = WINDOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            scrapes = beside(server, seconds / 4, partial(steady, server.address, "/metrics", 10, seconds))
            figures = [Figure("engine loses per scrape", lost(scrapes), "ms")]
            if kind == "ours":
                polls = beside(server, seconds / 4, partial(poll, server.address, seconds))
                figures.append(Figure("engine loses per poll", lost(polls), "ms"))
                if lost(scrapes) > 0:  # On a loaded machine, the noise is more than a scrape.
                    figures.append(Figure("a poll, in scrapes", lost(polls) / lost(scrapes), "scrapes", "≤ 2"))
            yield figures


def lost(found: Beside) -> float:
    """Return the milliseconds of CPU time that the engine thread loses per request or poll."""
    return found.lost / len(found.load.latencies)


def poll(address: Address, seconds: float) -> Load:
    """Poll as the page does, at a constant rate; a latency is that of all requests of a poll."""
    load = Load()
    with _clients(address) as (each, rare):
        begun = perf_counter()
        for number in count():
            due = begun + number / POLLS_PER_SECOND
            if due > begun + seconds:
                break
            time.sleep(max(0.0, due - perf_counter()))
            started = perf_counter()
            for client in [*each, *(rare if number % POLLS_PER_RARE == 0 else [])]:
                client.ask()
                if client.status != 200:
                    raise ValueError(f"a poll was answered with {client.status}")
            load.latencies.append(perf_counter() - started)
        load.seconds = perf_counter() - begun
    return load


@contextlib.contextmanager
def _clients(address: Address) -> Iterator[tuple[list[Client], list[Client]]]:
    each = [get("/healthz", HEADERS), get("/metrics", TEXT_HEADERS)]
    with contextlib.ExitStack() as stack:
        clients = [
            stack.enter_context(contextlib.closing(Client(address, request)))
            for request in [*each, *(get(path, HEADERS) for path in RARE)]
        ]
        yield clients[: len(each)], clients[len(each) :]
