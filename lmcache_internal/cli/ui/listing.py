"""The numbers of the listed ranks, and what another search for them changes.

A rank is known by its address. Its number is part of paths and of the choice in a page, so a number never names another
rank afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..outcome import Found
from ..targets import Target, unreachable_message

REMEMBERED = 4096
"""How many addresses keep their numbers. A rank that was forgotten and returns gets a new number."""


class Numbers:
    """The number of each address, also of those that are no longer listed."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}
        self._highest = -1

    def add(self, targets: Sequence[Target]) -> list[int]:
        """Return the numbers of all listed servers.

        A new address gets the index of the rank, if all new ones have one that is higher than any number before.

        Args:
            targets: all listed servers, each address once.
        """
        new = [target for target in targets if target.address not in self._known]
        for target, number in zip(new, self._next(new), strict=True):
            self._known[target.address] = number
            self._highest = max(self._highest, number)
        self._forget({target.address for target in targets})
        return [self._known[target.address] for target in targets]

    def of(self, target: Target) -> int | None:
        """Return the number of a server; None if it was forgotten."""
        return self._known.get(target.address)

    def _next(self, new: Sequence[Target]) -> Sequence[int]:
        indices = [target.index for target in new if target.index is not None]
        usable = len(set(indices)) == len(new) and all(index > self._highest for index in indices)
        return indices if usable else range(self._highest + 1, self._highest + 1 + len(new))

    def _forget(self, listed: set[str]) -> None:
        left = [address for address in self._known if address not in listed]
        for address in left[: max(0, len(left) - REMEMBERED)]:
            del self._known[address]


def problem_of(found: Found) -> str | None:
    """Return why a search does not say which servers there are; None if it does."""
    if found.counted:
        return None
    return found.problem or unreachable_message(found.targets)


def merged(before: Sequence[Target], found: Found) -> list[Target]:
    """Return the listed servers, each address once.

    A server that does not answer a search keeps the index that it had. So do the ranks of a pod that does not answer.

    Args:
        before: the servers of the search before.
        found: the result of the search.
    """
    known = {target.address: target for target in before}
    silent = {target.pod for target in found.failed if target.pod}
    listed = {target.address: _with_index(target, known.get(target.address)) for target in found.targets}
    kept = {target.address: target for target in before if target.pod in silent}
    return list((listed | kept).values())


def _with_index(target: Target, before: Target | None) -> Target:
    if before is None or target.index is not None or target.mp:
        return target
    return replace(target, index=before.index, by_address=before.by_address, mp=before.mp)
