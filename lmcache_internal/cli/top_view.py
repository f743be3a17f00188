"""Lay out what `top` shows: a header, a row for each server, and the help for its keys."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .fleet import Fleet
from .outcome import Outcome
from .rates import Rates, sparkline
from .server_stats import cells
from .server_table import server_table
from .targets import Target, unreachable_message
from .units import UNKNOWN, percent, servers, size

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

RATED = ("requests", "evictions")
_HITS = ("hit_tokens", "requested_tokens")
COUNTERS = (*RATED, *_HITS)
_OTHER_COLUMNS = 100
"""The width of the columns without the bars, and of a few words of an error."""
_HEALTH = ("failing", "warning", "unknown", "ok")
_HELP = """\
s       sort by the next column: index, health, hit rate, usage, requests, evictions
r       reverse the order
h or ?  show or hide this help
q       quit

HIT RATE and USAGE are totals; NOW is the hit rate of the last 30 s, and so are the rates.
LMCache updates its counters every 10 s, so there are no rates in the first 10 s.
L1 is the usage of an MP server.
"""

SORTS = ("index", "health", "hit rate", "usage", "requests", "evictions")


class View:
    """The display of `top`.

    Args:
        fleet: the servers.
        interval: seconds between refreshes.

    Attributes:
        rates: the rates of each server.
    """

    def __init__(self, fleet: Fleet, interval: float) -> None:
        self.rates: dict[Target, Rates] = {}
        self._fleet = fleet
        self._interval = interval
        self._sort = 0
        self._reverse = False
        self._help = False

    def press(self, key: str) -> bool:
        """Handle a key; returns whether the display changes."""
        if key in "h?":
            self._help = not self._help
        elif key == "s":
            self._sort = (self._sort + 1) % len(SORTS)
        elif key == "r":
            self._reverse = not self._reverse
        else:
            return False
        return True

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Add the counters of a refresh to the rates. Servers that have left are forgotten."""
        now = time.monotonic()
        self.rates = {outcome.target: self.rates.get(outcome.target, Rates()) for outcome in outcomes}
        for outcome in outcomes:
            rates = self.rates[outcome.target]
            if outcome.ok:
                rates.add(now, {name: outcome.data[name] for name in COUNTERS if outcome.data[name] is not None})

    def public(self, outcome: Outcome) -> dict[str, Any]:
        """Return the entry of a server in `--json`."""
        rates = self.rates[outcome.target]
        more = {f"{name}_per_second": rates.now(name) for name in RATED} | {"hit_rate_now": rates.share(*_HITS)}
        return outcome.map(lambda data: data | more).public()

    def table(self, outcomes: Sequence[Outcome]) -> Table:
        """Return a row for each server, sorted."""
        return server_table(self._fleet.screen, self._rows(outcomes), short=True)

    def print(self, outcomes: Sequence[Outcome]) -> None:
        """Print the table once, for a program or a file."""
        if all(outcome.unreachable for outcome in outcomes):
            self._fleet.screen.note(unreachable_message(self._fleet.targets))
        self._fleet.screen.show(self.table(outcomes))

    def screen(self, outcomes: Sequence[Outcome]) -> RenderableType:
        """Return the header, the table and, if it is shown, the help."""
        from rich.console import Group

        styled = self._fleet.screen.styled
        parts: list[RenderableType] = [styled(self._header(outcomes), "bold")]
        parts.append(self._fleet.fitted_table(self._rows(outcomes), short=True))
        if all(outcome.unreachable for outcome in outcomes):
            parts.insert(1, styled(f"{unreachable_message(self._fleet.targets)} Waiting.", "red"))
        if self._help:
            parts += [styled(line) for line in ("", *_HELP.splitlines())]
        return Group(*parts)

    def _rows(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        return [self._columns(outcome) for outcome in self._sorted(outcomes)]

    def _header(self, outcomes: Sequence[Outcome]) -> str:
        answered = sum(outcome.ok for outcome in outcomes)
        order = f"{SORTS[self._sort]}{', reversed' if self._reverse else ''}"
        return (
            f"{time.strftime('%H:%M:%S')}  {answered} of {servers(len(outcomes))}  every {self._interval:g} s  "
            f"sort: {order}  h: help  q: quit"
        )

    def _sorted(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Return the outcomes in the chosen order; servers without a value are last."""
        values = [self._value(number, outcome) for number, outcome in enumerate(outcomes)]
        known = [(value, number) for number, value in enumerate(values) if value is not None]
        unknown = [number for number, value in enumerate(values) if value is None]
        return [outcomes[number] for number in [*(pair[1] for pair in sorted(known, reverse=self._reverse)), *unknown]]

    def _value(self, number: int, outcome: Outcome) -> float | None:
        """Return the value to sort by: the worst health and the largest numbers are first."""
        column = SORTS[self._sort]
        if column == "index":
            return number
        if not outcome.ok:
            return None
        if column == "health":
            return _HEALTH.index(outcome.data["health"])
        if column in RATED:
            value = self.rates[outcome.target].now(column)
        else:
            value = outcome.data["hit_rate" if column == "hit rate" else "usage_bytes"]
        return None if value is None else -value

    def _columns(self, outcome: Outcome) -> Outcome:
        return outcome.map(lambda data: self._row(data, self.rates[outcome.target]))

    def _row(self, data: Mapping[str, Any], rates: Rates) -> dict[str, object]:
        row = cells(self._fleet.screen, data)
        limit = data["usage_limit_bytes"]
        if "usage" in row and data["usage_bytes"] is not None and limit:
            row["usage"] = f"{row['usage']} of {size(limit)}"
        for name in RATED:
            row[f"{name}/s"] = self._rate_cell(rates, name)
        return _after(row, "hit rate", "now", percent(rates.share(*_HITS)))

    def _rate_cell(self, rates: Rates, name: str) -> str:
        """Return the rate, and bars for the last rates if the terminal is wide enough."""
        now = rates.now(name)
        if now is None:
            return UNKNOWN
        bars = (self._fleet.screen.console().width - _OTHER_COLUMNS) // len(RATED)
        return f"{now:.1f} {sparkline(rates.history(name)[-bars:])}" if bars > 0 else f"{now:.1f}"


def _after(row: Mapping[str, object], column: str, name: str, cell: object) -> dict[str, object]:
    """Insert a column after another."""
    found: dict[str, object] = {}
    for key, value in row.items():
        found[key] = value
        if key == column:
            found[name] = cell
    return found
