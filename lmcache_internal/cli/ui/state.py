"""What the views of the gateway share."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from flask import current_app

from ...errors import BadRequest, Busy, Conflict, NotFound
from ..fleet import Fleet
from ..targets import Target, format_numbers
from .changes import Changes
from .ranks import REQUESTS, Rank, Ranks
from .search import Search

KEY = "lmcache_internal.ui.gateway"
FLEET_JOBS = 2
"""How many requests may ask the whole fleet at the same time, besides polls."""


class Gateway:
    """The fleet behind the gateway.

    Args:
        fleet: the servers of the command.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.ranks = Ranks(fleet.targets, fleet.token)
        self.search = Search(fleet, self.ranks)
        self.changes = Changes()
        self._jobs = threading.BoundedSemaphore(FLEET_JOBS)

    def rank(self, number: int) -> Rank:
        """Return a rank; raises `NotFound` for a number that is not listed (404)."""
        listed = self.ranks.by_number  # Another search replaces it.
        if number not in listed:
            raise NotFound(f"There is no rank {number} here; there are: {format_numbers(listed)}")
        return listed[number]

    def targets(self, numbers: Sequence[int] | None) -> list[Target]:
        """Return the targets of ranks, or all for None; raises `BadRequest` (400), `NotFound` (404)."""
        if numbers is None:
            return [rank.target for rank in self.ranks.all]
        if not numbers:
            raise BadRequest("ranks is empty; name at least one rank, or leave it out for all ranks")
        return [self.rank(number).target for number in dict.fromkeys(numbers)]

    def label(self, targets: Sequence[Target]) -> str:
        """Return what the page calls ranks: one by its number and name (`4 worker 3`), several by number (`0,2-4`)."""
        numbers = {number for target in targets if (number := self.ranks.number(target)) is not None}
        listed = self.ranks.by_number  # Another search replaces it.
        if len(numbers) == 1 and (rank := listed.get(min(numbers))):
            return f"{rank.number} {rank.name}"
        return format_numbers(numbers)

    def check_listed(self, targets: Sequence[Target]) -> None:
        """Raise `Conflict` if a server is no longer listed (409)."""
        listed = {rank.target.address for rank in self.ranks.all}
        if left := [target for target in targets if target.address not in listed]:
            raise Conflict(f"No longer listed: ranks {self.label(left)}. Nothing was applied; check the change again")

    @contextmanager
    def job(self) -> Iterator[None]:
        """Hold a slot for a request to the whole fleet; raises `Busy` if there is none (503)."""
        with _slot(self._jobs, f"{FLEET_JOBS} requests to the fleet are in progress; try again"):
            yield

    @contextmanager
    def forward(self, rank: Rank) -> Iterator[None]:
        """Hold a slot for a request to one rank; raises `Busy` if there is none (503)."""
        with _slot(rank.requests, f"{REQUESTS} requests to {rank.name} are in progress; try again"):
            yield


def gateway() -> Gateway:
    """Return the gateway of the current request."""
    return cast(Gateway, current_app.extensions[KEY])


@contextmanager
def _slot(slots: threading.BoundedSemaphore, message: str) -> Iterator[None]:
    if not slots.acquire(blocking=False):
        raise Busy(message)
    try:
        yield
    finally:
        slots.release()
