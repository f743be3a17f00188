"""Lay out a row for each server, and the reasons of those that failed.

A column of a few characters cannot be read. So on a terminal that is too narrow for all columns, the servers have short
names, and long texts follow the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from .outcome import Outcome
from .output import Screen
from .targets import Target, names_of
from .units import UNKNOWN

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_REASONS = "reasons"
"""The column of long texts in the data of an outcome: a list of lines."""


def server_table(screen: Screen, outcomes: Sequence[Outcome], short: bool = False) -> Table:
    """Return a row for each server, with the reason if it failed.

    Args:
        screen: where the table is printed.
        outcomes: one for each server, at least one; the data are the columns of its row.
        short: whether one column names the server.
    """
    columns = [*_columns(outcomes), *([] if all(outcome.ok for outcome in outcomes) else ["error"])]
    rows = [_row(screen, outcome, columns, short) for outcome in outcomes]
    return screen.table([*outcomes[0].target.cells(short), *columns], rows)


def fitted_table(screen: Screen, outcomes: Sequence[Outcome], short: bool = False) -> RenderableType:
    """Return the table if it fits the terminal, else a narrower one with the long texts below it.

    Args:
        screen: where it is printed.
        outcomes: as for `server_table`.
        short: whether one column names the server, and each text below the table has one line.
    """
    from rich.console import Group

    table = server_table(screen, outcomes, short)
    if screen.fits(table):
        return table
    columns = [name for name in _columns(outcomes) if name != _REASONS]
    rows = [_row(screen, outcome, columns, short=True) for outcome in outcomes]
    narrow = screen.table([*outcomes[0].target.cells(short=True), *columns], rows)
    texts = [screen.styled(text, style) for text, style in _texts(outcomes)]
    for text in texts:
        text.no_wrap, text.overflow = short, "ellipsis" if short else "fold"
    return Group(narrow, *texts)


def grouped_failures(outcomes: Iterable[Outcome]) -> dict[str, list[Target]]:
    """Return the servers of each error, in the order of the outcomes."""
    found: dict[str, list[Target]] = {}
    for outcome in outcomes:
        if not outcome.ok:
            found.setdefault(outcome.error or "", []).append(outcome.target)
    return found


def _row(screen: Screen, outcome: Outcome, columns: Sequence[str], short: bool) -> list[object]:
    row = outcome.data if outcome.ok else {"error": screen.styled(outcome.error or "", "red")}
    missing = {"error": ""} if outcome.ok else {}
    return [*outcome.target.cells(short).values(), *(row.get(name, missing.get(name, UNKNOWN)) for name in columns)]


def _texts(outcomes: Sequence[Outcome]) -> Iterator[tuple[str, str]]:
    """Yield the lines below a narrow table, with their style."""
    for outcome in outcomes:
        for reason in filter(None, outcome.data.get(_REASONS, ()) if outcome.ok else ()):
            yield f"{outcome.target.short_name}: {reason}", ""
    for error, targets in grouped_failures(outcomes).items():
        yield f"{names_of(targets)}: {error}", "red"


def _columns(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the columns of all rows; a column that only some rows have follows its neighbor in these rows."""
    found: list[str] = []
    for outcome in outcomes:
        position = 0
        for name in outcome.data if outcome.ok else ():
            if name not in found:
                found.insert(position, name)
            position = found.index(name) + 1
    return found
