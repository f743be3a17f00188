"""The load generator: closed loops and constant request rates."""

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
    """The result of a load.

    Attributes:
        latencies: seconds of each response with status 200.
        refused: the number of responses with another status.
        seconds: the duration of the load.
    """

    latencies: list[float] = field(default_factory=list)
    refused: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        """Responses with status 200 per second."""
        return len(self.latencies) / self.seconds

    def percentile(self, percent: float) -> float:
        """Return the latency percentile in milliseconds."""
        if not self.latencies:
            raise ValueError(f"no request was answered with 200; {self.refused} had another answer")
        ordered = sorted(self.latencies)
        below, beyond = divmod(percent / 100 * (len(ordered) - 1), 1)
        at = int(below)
        return 1000 * (ordered[at] + beyond * (ordered[min(at + 1, len(ordered) - 1)] - ordered[at]))

    def count(self, client: Client, now: float) -> None:
        """Count the response that `client` has received."""
        if client.status == 200:
            self.latencies.append(now - client.started)
        else:
            self.refused += 1


@contextlib.contextmanager
def connected(count: int, address: Address, request: bytes) -> Iterator[list[Client]]:
    """Yield that many connected clients."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Client(address, request))) for _ in range(count)]


def closed_loop(
    address: Address, path: str, clients: int, seconds: float, *, reconnect: bool = False, sleepless: bool = True
) -> Load:
    """Run clients that send their next request as soon as they have a response.

    Args:
        address: the server's address.
        path: the requested path.
        clients: the number of clients.
        seconds: the time after which they send no more.
        reconnect: open a new connection for each request, and include that time.
        sleepless: poll all the time, so that no latency includes waking the client; this uses a core.
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
    """Run one client at a constant rate; with `reconnect`, each request has a new connection.

    The latency of a request counts from its scheduled time, so a stall counts for every request that it delays.
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
    """Wait until the server responds, and let it finish its one-time initialization."""
    with connected(1, address, get("/lmc_version")) as (client,):
        for _ in range(WARM_UP_REQUESTS):
            client.ask()
