"""What the app may know and ask of our own server, where that took the request."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

LOAD_KEY = "lmcache_internal.limits.server_load"
"""WSGI environ key: a function that returns the `Load` of the server, when our own took the request."""

ANSWER_BY_KEY = "lmcache_internal.answer_by"
"""WSGI environ key: a function that lets the server answer (504) in place of a worker thread that is stuck; see
`connection.Channel.answer_by`. Set when our own server took the request."""


class Load(Struct, frozen=True):
    """The thread pool of one listener at one moment.

    Attributes:
        busy: threads that serve a request.
        limit: threads that there may be.
        waiting: requests that wait for a thread.
        longest_wait: seconds that the first of them has waited; 0 without any.
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
