"""`top`: the fleet, live."""

from __future__ import annotations

import contextlib
import json
import os
import select
import sys
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from .fleet import Fleet, Outcome
from .options import fleet_options
from .output import Screen
from .rates import Rates, sparkline
from .server_stats import cells, look
from .targets import Target
from .units import UNKNOWN

if TYPE_CHECKING:
    from rich.table import Table

_RATED = ("requests", "evictions")
_TICK = 0.05
_OTHER_COLUMNS = 90
"""What the columns without the bars, and a few words of an error, take of a line."""
Show = Callable[[Sequence[Outcome]], None]


@click.command()
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Seconds between refreshes."
)
@click.option("--count", type=click.IntRange(1), help="Refresh so often, then end; once where there is no terminal.")
@fleet_options(seconds=2)
def top(fleet: Fleet, interval: float, count: int | None) -> None:
    """Health, hit rate, usage, requests and evictions a second of each server, live.

    `q` or Ctrl-C ends it. With --json, each refresh is one line of JSON.

    Example: lmcache-internal top --config lmcache.yaml --interval 2
    """
    live = sys.stdout.isatty() and sys.stdin.isatty() and not fleet.screen.as_json
    refreshes = count or (None if live else 1)
    rates = {target: Rates() for target in fleet.targets}
    outcomes: list[Outcome] = []
    fleet.screen.quiet = True
    with contextlib.suppress(KeyboardInterrupt), _unbuffered(live), _display(fleet, rates, live) as show:
        while True:
            due = time.monotonic() + interval
            asking = _Asking(fleet)
            if _told_to_quit(live, asking.done):
                break
            outcomes = asking.outcomes
            _remember(rates, outcomes)
            show(outcomes)
            if refreshes is not None:
                refreshes -= 1
            if refreshes == 0 or _told_to_quit(live, partial(_is_past, due)):
                break
    if count or not live:
        fleet.finish(outcomes)


class _Asking:
    """A round of answers that is under way; whoever waits for it still hears the keys."""

    def __init__(self, fleet: Fleet) -> None:
        self.outcomes: list[Outcome] = []
        self._thread = threading.Thread(target=self._run, args=(fleet,), daemon=True)
        self._thread.start()

    def _run(self, fleet: Fleet) -> None:
        self.outcomes = fleet.each(look)

    def done(self) -> bool:
        return not self._thread.is_alive()


def _is_past(due: float) -> bool:
    return time.monotonic() >= due


def _remember(rates: Mapping[Target, Rates], outcomes: Sequence[Outcome]) -> None:
    now = time.monotonic()
    for outcome in outcomes:
        if outcome.ok:
            counters = {name: outcome.data[name] for name in _RATED if outcome.data[name] is not None}
            rates[outcome.target].add(now, counters)


def _row(screen: Screen, data: Mapping[str, Any], rates: Rates) -> dict[str, object]:
    row = cells(screen, data)
    bars = max(5, (screen.console().width - _OTHER_COLUMNS) // len(_RATED))
    for name in _RATED:
        now = rates.now(name)
        row[f"{name}/s"] = UNKNOWN if now is None else f"{now:.1f} {sparkline(rates.history(name)[-bars:])}"
    return row


@contextlib.contextmanager
def _display(fleet: Fleet, rates: Mapping[Target, Rates], live: bool) -> Iterator[Show]:
    """Yields what shows a refresh: on the whole terminal, line by line as JSON, or one table after another."""

    def table(outcomes: Sequence[Outcome]) -> Table:
        rated = [replace(outcome, data=(outcome.data, rates[outcome.target])) for outcome in outcomes]
        return fleet.table(rated, lambda pair: _row(fleet.screen, *pair), short=True)

    if fleet.screen.as_json:
        yield lambda outcomes: click.echo(json.dumps([_public(outcome, rates[outcome.target]) for outcome in outcomes]))
    elif live:
        from rich.live import Live

        with Live(console=fleet.screen.console(), screen=True, auto_refresh=False) as screen:
            yield lambda outcomes: screen.update(table(outcomes), refresh=True)
    else:
        yield lambda outcomes: fleet.screen.show(table(outcomes))


def _public(outcome: Outcome, rates: Rates) -> dict[str, Any]:
    return outcome.map(lambda data: data | {f"{name}_per_second": rates.now(name) for name in _RATED}).public()


@contextlib.contextmanager
def _unbuffered(live: bool) -> Iterator[None]:
    """Let single keys through, and bring the terminal back as it was."""
    if not live:
        yield
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _told_to_quit(live: bool, done: Callable[[], bool]) -> bool:
    """Wait until `done`, or until somebody presses `q`."""
    while not done():
        if not live:
            time.sleep(_TICK)
        elif select.select([sys.stdin], [], [], _TICK)[0] and os.read(sys.stdin.fileno(), 1) in (b"q", b""):
            return True
    return False
