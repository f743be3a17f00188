"""What the views of the gateway share."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from flask import current_app

from ...errors import BadRequest, Busy, NotFound
from ..fleet import Fleet
from ..targets import Target, format_numbers
from .changes import Changes
from .ranks import Rank, Ranks

KEY = "lmcache_internal.ui.gateway"
FLEET_JOBS = 2
"""How many requests may ask the whole fleet at the same time, besides polls."""
RANK_REQUESTS = 8
"""How many requests are forwarded to one rank at the same time."""


class Gateway:
    """The fleet behind the gateway.

    Args:
        fleet: the servers of the command.
    """

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.ranks = Ranks(fleet.targets, fleet.token)
        self.changes = Changes()
        self._jobs = threading.BoundedSemaphore(FLEET_JOBS)
        self._forwards = {number: threading.BoundedSemaphore(RANK_REQUESTS) for number in self.ranks.by_number}

    def rank(self, number: int) -> Rank:
        """Return a rank; raises `NotFound` for a number that is not listed (404)."""
        if number not in self.ranks.by_number:
            raise NotFound(f"There is no rank {number} here; there are: {format_numbers(self.ranks.by_number)}")
        return self.ranks.by_number[number]

    def targets(self, numbers: Sequence[int] | None) -> list[Target]:
        """Return the targets of ranks, or all for None; raises `BadRequest` (400), `NotFound` (404)."""
        if numbers is None:
            return self.fleet.targets
        if not numbers:
            raise BadRequest("ranks is empty; name at least one rank, or leave it out for all ranks")
        return [self.rank(number).target for number in dict.fromkeys(numbers)]

    def numbers(self, targets: Sequence[Target]) -> str:
        """Return the numbers of targets, such as `0,2-4`."""
        known = {rank.target: rank.number for rank in self.ranks.all}
        return format_numbers([known[target] for target in targets])

    @contextmanager
    def job(self) -> Iterator[None]:
        """Hold a slot for a request to the whole fleet; raises `Busy` if there is none (503)."""
        with _slot(self._jobs, f"{FLEET_JOBS} requests to the fleet are in progress; try again"):
            yield

    @contextmanager
    def forward(self, rank: Rank) -> Iterator[None]:
        """Hold a slot for a request to one rank; raises `Busy` if there is none (503)."""
        with _slot(self._forwards[rank.number], f"{RANK_REQUESTS} requests to {rank.name} are in progress; try again"):
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
