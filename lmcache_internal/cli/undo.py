"""The commands that undo a change which was not applied to all servers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .fleet import Fleet
from .outcome import Outcome
from .targets import Target


def undo_commands(fleet: Fleet, outcomes: Sequence[Outcome], words: Callable[[Outcome], Sequence[str]]) -> list[str]:
    """Return the command lines that undo a change where it was applied, each for the servers that it fits.

    Args:
        fleet: the servers of the command.
        outcomes: the results of the change.
        words: returns the command for the outcome of one server.
    """
    done: dict[tuple[str, ...], list[Target]] = {}
    for outcome in outcomes:
        if outcome.ok:
            done.setdefault(tuple(words(outcome)), []).append(outcome.target)
    return [fleet.hint(command, targets) for command, targets in done.items()]
