"""The load generator: closed loops and steady rates of requests."""

from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from time import perf_counter

from benchmarks.client import Address, Client, get

WARM_UP_REQUESTS = 50


@dataclass
class Load:
    """What a load of requests came to.

    Attributes:
        latencies: seconds that each answer with status 200 took.
        refused: how many answers had another status.
        seconds: how long all of it took.
    """

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers with status 200 per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Milliseconds within which `percent` of the answers came."""
        if not self.latencies:
            raise ValueError(f"no request was answered with 200; {self.refused} had another answer")
        ordered = sorted(self.latencies)
        below, beyond = divmod(percent / 100 * (len(ordered) - 1), 1)
        at = int(below)
        return 1000 * (ordered[at] + beyond * (ordered[min(at + 1, len(ordered) - 1)] - ordered[at]))

    def count(self, client: Client, now: float) -> None:
        """Count the answer that `client` has received."""
        if client.status == 200:
            self.latencies.append(now - client.started)
        else:
            self.refused += 1


@contextlib.contextmanager
def connected(count: int, address: Address, request: bytes) -> Iterator[list[Client]]:
    """So many connected clients."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Client(address, request))) for _ in range(count)]


def closed_loop(
    address: Address, path: str, clients: int, seconds: float, *, reconnect: bool = False, sleepless: bool = True
) -> Load:
    """Clients that send their next request as soon as the last one is answered.

    Args:
        address: the server's.
        path: what they ask for.
        clients: how many there are.
        seconds: after which they send no more.
        reconnect: make a new connection for each request; that counts, too.
        sleepless: poll all the time, so that waking the client is no part of a latency; it takes a core.
    """
    load = Load()
    with connected(clients, address, get(path)) as asking, contextlib.closing(select.epoll()) as poll:
        waiting = {client.fileno(): client for client in asking}
        for descriptor in waiting:
            poll.register(descriptor, select.EPOLLIN)
        begun = perf_counter()
        for client in asking:
            client.send()
        while waiting:
            for descriptor, _ in poll.poll(0 if sleepless else None):
                client = waiting[descriptor]
                if not client.receive():
                    continue
                now = perf_counter()
                load.count(client, now)
                if now > begun + seconds:
                    del waiting[descriptor]
                elif not reconnect:
                    client.send()
                else:
                    del waiting[descriptor]
                    client.reconnect()
                    waiting[client.fileno()] = client
                    poll.register(client, select.EPOLLIN)
        load.seconds = perf_counter() - begun
    return load


def steady(
    address: Address, path: str, per_second: float, seconds: float, headers: str = "", *, reconnect: bool = False
) -> Load:
    """One client that sends at a steady rate, with `reconnect` each time on a new connection.

    A request that is late because the one before it took so long counts from when it was due: a
    stall counts for all that it delays.
    """
    load = Load()
    with connected(1, address, get(path, headers)) as (client,):
        begun = perf_counter()
        for number in range(max(1, round(per_second * seconds))):
            due = begun + number / per_second
            if (early := due - perf_counter()) > 0:
                time.sleep(early)
                due = perf_counter()
            if reconnect:
                client.reconnect()
            else:
                client.send()
            client.finish()
            client.started = due
            load.count(client, perf_counter())
        time.sleep(max(0.0, begun + seconds - perf_counter()))
        load.seconds = perf_counter() - begun
    return load


def warm_up(address: Address) -> None:
    """Wait until the server answers, and let it do what it does only at first."""
    with connected(1, address, get("/lmc_version")) as (client,):
        for _ in range(WARM_UP_REQUESTS):
            client.ask()
