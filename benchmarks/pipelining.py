"""How long a request on a new connection waits, while other clients pipeline theirs."""

from __future__ import annotations

import contextlib
import multiprocessing
import select
import time
from collections.abc import Iterator
from time import perf_counter

from benchmarks.client import Address, connect, get
from benchmarks.load import steady
from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

CONNECTIONS = 30
DEPTH = 290
"""Requests that each connection sends without waiting for a response; 16 KiB in all."""
PER_SECOND = 25
WINDOW = 8
"""Duration of the requests, in multiples of `Plan.seconds`."""
HEAD_START_SECONDS = 1
"""Time until the load has started."""
PROBED = {"ours": "/livez", "lmcache": "/lmc_version"}
"""The measured path. LMCache's server has no probe, so its cheapest endpoint is measured instead."""


class Pipeline:
    """A connection that sends many requests at once, and again when all of them are answered.

    Args:
        address: the server's address.
        path: the requested path; the body of its response must not contain an empty line.
    """

    def __init__(self, address: Address, path: str) -> None:
        self._requests = get(path) * DEPTH
        self._socket = connect(address)
        self._end = b""
        self._heads = 0
        self.answered = 0

    def fileno(self) -> int:
        """Return the descriptor, for epoll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self) -> None:
        """Send all requests."""
        self._socket.sendall(self._requests)

    def receive(self) -> None:
        """Receive once, and send again after the last response.

        Raises:
            ConnectionError: the server has closed the connection.
        """
        received = self._socket.recv(1 << 18)
        if not received:
            raise ConnectionError("the server hung up on a client that pipelines")
        known = self._end + received
        self._heads += known.count(b"\r\n\r\n")
        self._end = b"" if known.endswith(b"\r\n\r\n") else known[-3:]
        if self._heads == DEPTH:
            self.answered += DEPTH
            self._heads = 0
            self.send()


def flood(address: Address, path: str, seconds: float) -> int:
    """Pipeline requests on all connections; return how many were answered."""
    with contextlib.ExitStack() as stack:
        poll = stack.enter_context(contextlib.closing(select.epoll()))
        pipelines = {}
        for _ in range(CONNECTIONS):
            pipeline = stack.enter_context(contextlib.closing(Pipeline(address, path)))
            pipelines[pipeline.fileno()] = pipeline
            poll.register(pipeline, select.EPOLLIN)
        for pipeline in pipelines.values():
            pipeline.send()
        until = perf_counter() + seconds
        while perf_counter() < until:
            for descriptor, _ in poll.poll(0.1):
                pipelines[descriptor].receive()
        return sum(pipeline.answered for pipeline in pipelines.values())


@contextlib.contextmanager
def flooded(address: Address, path: str, seconds: float) -> Iterator[None]:
    """Pipeline requests from another process, so that it does not delay the measured client.

    Args:
        address: the server's address.
        path: the requested path.
        seconds: the duration of the load after its start.
    """
    processes = multiprocessing.get_context("spawn")
    others = processes.Process(target=flood, args=(address, path, seconds + 2 * HEAD_START_SECONDS))
    others.start()
    time.sleep(HEAD_START_SECONDS)
    try:
        yield
    finally:
        others.join()


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure /livez on new connections at a constant rate, beside 30 connections that each pipeline 290 requests."""
    seconds = WINDOW * plan.seconds
    with serving(kind) as server:
        for _ in range(plan.rounds):
            with flooded(server.address, "/lmc_version", seconds):
                load = steady(server.address, PROBED[kind], PER_SECOND, seconds, reconnect=True)
            yield [
                Figure("a fresh /livez: p50", load.percentile(50), "ms"),
                Figure("a fresh /livez: p99", load.percentile(99), "ms", "≤ 50"),
                Figure("a fresh /livez: worst", load.percentile(100), "ms"),
            ]
