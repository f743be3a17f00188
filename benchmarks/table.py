"""A result as a text table."""

from __future__ import annotations

from benchmarks.results import Result
from benchmarks.rows import Row, Spread

HEADER = ("", "unit", "LMCache's", "ours", "ours / LMCache's", "asked")
NOTHING = "-"


def as_text(result: Result, before: Result | None) -> str:
    """Return a table for the terminal.

    Args:
        result: the result.
        before: the result that it is compared with.
    """
    lines = [(*HEADER, "committed"), *((*cells(row), _before(row, before)) for row in result.rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([f"== {result.question}: {result.title}", origin(result), *table, ""])


def origin(result: Result) -> str:
    """Return the time and the machine of the measurement."""
    machine = ", ".join(f"{name} {value}" for name, value in result.machine.items())
    return f"{result.date}, commit {result.commit}, {machine}"


def cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row for `HEADER`: medians, and in parentheses minimum and maximum."""
    verdict = {True: ": yes", False: ": no", None: ""}[row.holds]
    values = [spread(Spread.of(values)) for values in (row.lmcache, row.ours)]
    return row.name, row.unit, *values, spread(row.ratio, "x"), row.asked + verdict


def number(value: float) -> str:
    """Return the number with three digits, or with all digits before the decimal point."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Spread | None, suffix: str = "") -> str:
    """Return the median, and in parentheses minimum and maximum."""
    if values is None:
        return NOTHING
    return f"{number(values.median)}{suffix} ({number(values.least)} to {number(values.greatest)})"


def _before(row: Row, before: Result | None) -> str:
    old = before.row(row.name) if before else None
    if old is None or old.ratio is None:
        return NOTHING
    return f"{number(old.ratio.median)}x {row.since(old)}".rstrip()
