"""What several servers have in common: each row once, with the ranks where it was found."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .fleet import Fleet, Outcome
from .targets import Target, ranks

Row = tuple[str, ...]
Rows = Callable[[Any], Iterable[Row]]
"""Makes the rows of one server from a job's data; the first cell names what the row is about."""


def show_spread(fleet: Fleet, outcomes: Sequence[Outcome], columns: Sequence[str], rows: Rows) -> None:
    """Show each row once, rows about the same thing together, and end with status 1 if any server failed."""
    if fleet.screen.as_json:
        return fleet.show(outcomes, dict)
    show_rows(fleet, outcomes, columns, rows)
    return fleet.complain(outcomes)


def show_rows(fleet: Fleet, outcomes: Sequence[Outcome], columns: Sequence[str], rows: Rows) -> None:
    """Show the rows of those that did not fail, if there are any."""
    found: dict[str, dict[Row, list[Target]]] = {}
    for outcome in outcomes:
        for row in rows(outcome.data) if outcome.ok else ():
            found.setdefault(row[0], {}).setdefault(row, []).append(outcome.target)
    several = len(fleet.targets) > 1
    table = [
        [*row, *([ranks(targets, fleet.targets)] if several else [])]
        for same in found.values()
        for row, targets in same.items()
    ]
    if table:
        fleet.screen.show(fleet.screen.table([*columns, *(["ranks"] if several else [])], table))
