"""Show what several servers have in common: each row once, with the ranks that have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .fleet import Fleet
from .outcome import Outcome
from .targets import Target, ranks

Row = tuple[str, ...]
Rows = Callable[[Any], Iterable[Row]]
"""Makes the rows of one server from a job's data; the first cell names the subject of the row."""


def show_grouped(fleet: Fleet, outcomes: Sequence[Outcome], columns: Sequence[str], rows: Rows) -> None:
    """Print each row once, rows about the same subject together; end with status 1 if any server failed."""
    if fleet.screen.as_json:
        return fleet.show(outcomes, dict)
    return fleet.report_failures(show_rows(fleet, outcomes, columns, rows))


def show_rows(fleet: Fleet, outcomes: Sequence[Outcome], columns: Sequence[str], rows: Rows) -> list[Outcome]:
    """Print the rows of the servers that did not fail, if there are any; returns the outcomes with their rows."""
    outcomes = [outcome.map(lambda data: [tuple(map(str, row)) for row in rows(data)]) for outcome in outcomes]
    found: dict[str, dict[Row, list[Target]]] = {}
    for outcome in outcomes:
        for row in outcome.data if outcome.ok else ():
            found.setdefault(row[0], {}).setdefault(row, []).append(outcome.target)
    several = len(fleet.targets) > 1
    table = [
        [*row, *([ranks(targets, fleet.targets)] if several else [])]
        for same in found.values()
        for row, targets in same.items()
    ]
    if table:
        fleet.screen.show(fleet.screen.table([*columns, *(["ranks"] if several else [])], table))
    return outcomes
