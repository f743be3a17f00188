"""The listed ranks, and the poll that keeps their figures.

A poll asks all ranks at the same time, within a concurrency limit. Ranks that were slow or down at the last poll have a
limit of their own, and no poll waits for them. So they do not delay the others.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from ..client import Client, Failure
from ..credentials import BearerToken
from ..outcome import Found, Outcome
from ..targets import Target
from .listing import Numbers, merged
from .reading import Identity, identify, read_figures, text

FETCH_SECONDS = 3.0
"""The timeout of one rank."""
WAIT_SECONDS = 1.0
"""How long a poll waits for the ranks that answered quickly the last time."""
SLOW_SECONDS = 1.0
"""A rank that takes longer is slow."""
FRESH_SECONDS = 1.0
"""A rank is not asked again within this time, however many pages poll."""
IDENTITY_SECONDS = 60.0
"""How often a rank is asked again what it is."""
REQUESTS = 8
"""How many requests are forwarded to one rank at the same time."""
ABANDONED_SECONDS = 2 * FETCH_SECONDS
"""A fetch that takes longer gives its slot back. The rank is asked again when the fetch ends."""
SLOTS = {False: 16, True: 8}
"""The concurrency limits: of the other ranks, and of the slow ones."""


class Rank:
    """One server, with what is known about it.

    Attributes:
        number: its number in the paths of the gateway.
        target: where it is.
        requests: the slots for forwarded requests.
    """

    def __init__(self, number: int, target: Target) -> None:
        self.number = number
        self.target = target
        self.requests = threading.BoundedSemaphore(REQUESTS)
        self.slow = False
        self.running = False
        self.began = float("-inf")
        self.identity: Identity | None = None
        self.identified = float("-inf")
        self.figures: dict[str, Any] = {}
        self.error: str | None = "not asked yet"
        self.read = float("-inf")

    @property
    def name(self) -> str:
        """The role, as the configuration or the rank says it; otherwise the address."""
        return self.target.role or (self.identity.label if self.identity else "") or self.target.address

    @property
    def host(self) -> str:
        """The host name, the pod, or "Unix socket"."""
        if self.target.pod:
            return str(self.target.pod)
        try:
            return "Unix socket" if self.target.socket_path else urlsplit(self.target.url).hostname or ""
        except ValueError:
            return ""

    def fetch(self, token: BearerToken | None) -> Outcome:
        """Ask the rank; returns its identity and its figures, or why there are none."""
        try:
            with Client(self.target, token, FETCH_SECONDS) as client:
                known = self.identity if time.monotonic() - self.identified < IDENTITY_SECONDS else None
                identity = known or identify(client)
                return Outcome(self.target, (identity, identity is not known, read_figures(client, identity)))
        except Failure as failure:
            return Outcome.of(self.target, failure)
        except Exception as error:  # A rank may answer anything; the others must keep their rows.
            return Outcome.unusable(self.target, error)

    def row(self, now: float) -> dict[str, Any]:
        """Return what the page shows; `now` in seconds of the monotonic clock."""
        late = now - self.began if self.running else 0.0
        error = f"no response for {late:.0f} s" if late > FETCH_SECONDS else self.error
        identity = self.identity
        return {
            "number": self.number,
            "name": self.name,
            "address": self.target.address,
            "host": self.host,
            "error": None if error is None else text(error),
            "age": None if self.read < 0 else round(now - self.read, 1),
            "kind": identity.kind if identity else "",
            "version": identity.version if identity else "",
            "model": identity.model if identity else "",
            "role": identity.role if identity else "",
            "needs": identity.needs if identity else {},
            **self.figures,
        }


class Ranks:
    """All listed ranks.

    Args:
        targets: the servers; the gateway talks to no others.
        token: the bearer token to send, or None.
    """

    def __init__(self, targets: Sequence[Target], token: BearerToken | None) -> None:
        self.all: list[Rank] = []
        self.by_number: dict[int, Rank] = {}
        self._numbers = Numbers()
        self._token = token
        self._changed = threading.Condition()
        self.replace(Found(targets))

    def replace(self, found: Found) -> None:
        """List the servers of another search: ranks that stay keep their numbers and figures."""
        with self._changed:
            targets = merged([rank.target for rank in self.all], found)
            numbers = self._numbers.add(targets)
            self.by_number = dict(zip(numbers, map(self._rank, numbers, targets), strict=True))
            self.all = list(self.by_number.values())

    def number(self, target: Target) -> int | None:
        """Return the number of a server, also of one that is no longer listed; None if it was forgotten."""
        return self._numbers.of(target)

    def _rank(self, number: int, target: Target) -> Rank:
        """Return the rank at an address, which is a new one if it was not listed."""
        rank = self.by_number.get(number) or Rank(number, target)
        rank.target = target
        return rank

    def poll(self) -> list[dict[str, Any]]:
        """Ask the ranks, and return a row for each. Ranks that are slow or down keep their last figures."""
        deadline = time.monotonic() + WAIT_SECONDS
        began = time.monotonic()
        with self._changed:
            while True:
                self._start(began)
                waiting = any(not rank.slow and (rank.running or self._is_due(rank, began)) for rank in self.all)
                left = deadline - time.monotonic()
                if not waiting or left <= 0:
                    return [rank.row(time.monotonic()) for rank in self.all]
                self._changed.wait(left)

    def _start(self, now: float) -> None:
        """Start to ask ranks that are due, as long as there are slots."""
        started = time.monotonic()
        for slow, slots in SLOTS.items():
            same = [rank for rank in self.all if rank.slow is slow]
            free = slots - sum(rank.running and started - rank.began < ABANDONED_SECONDS for rank in same)
            due = sorted((rank for rank in same if self._is_due(rank, now)), key=lambda rank: rank.began)
            for rank in due[: max(0, free)]:
                rank.running, rank.began = True, started
                # A daemon thread: a rank that never ends its answer must not keep the gateway from ending.
                threading.Thread(target=self._fetch, args=(rank,), daemon=True, name=f"poll {rank.number}").start()

    @staticmethod
    def _is_due(rank: Rank, now: float) -> bool:
        return not rank.running and now - rank.began >= FRESH_SECONDS

    def _fetch(self, rank: Rank) -> None:
        outcome = rank.fetch(self._token)
        now = time.monotonic()
        with self._changed:
            rank.running = False
            rank.error = outcome.error
            rank.slow = outcome.unreachable or now - rank.began > SLOW_SECONDS
            if outcome.ok:
                rank.identity, new, rank.figures = outcome.data
                rank.identified = now if new else rank.identified
                rank.read = now
            else:
                rank.identified = float("-inf")  # Another process may answer the next time.
            self._changed.notify_all()
