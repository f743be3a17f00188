"""What the server passes to the app in the WSGI environ: its load, and a function that sets a response timeout."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

LOAD_KEY = "lmcache_internal.limits.server_load"
"""WSGI environ key: a function that returns the `Load` of the server. Only our own server sets it."""

SEND_504_AFTER_KEY = "lmcache_internal.send_504_after"
"""WSGI environ key: a function that makes the event loop send 504 if the worker thread is stuck; see
`serving.sending.SendingChannel.send_504_after`. Only our own server sets it."""


class Load(Struct, frozen=True):
    """A snapshot of the thread pool of one listener.

    Attributes:
        busy: threads that serve a request.
        limit: the largest number of threads.
        waiting: requests that wait for a thread.
        longest_wait: seconds that the oldest waiting request has waited; 0 if no request waits.
    """

    busy: int
    limit: int
    waiting: int
    longest_wait: float

    def __str__(self) -> str:
        return f"{self.busy} of {self.limit} threads are busy, {self.waiting} requests wait"


class Serving(Protocol):
    """A listener that serves, as its metrics show it; read without locks, so that no request waits for a scrape."""

    @property
    def connections(self) -> int:
        """Open connections."""

    @property
    def queued(self) -> int:
        """Requests that wait for a thread."""

    @property
    def busy(self) -> int:
        """Threads that serve a request."""


servers: set[Serving] = set()
"""All listeners of this process that serve."""
