"""`top`: show the state of each server continuously."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import click

from .commands import Command
from .fleet import Fleet
from .keys import QUIT, keys_until, unbuffered
from .options import fleet_options
from .outcome import Outcome
from .output import is_terminal, json_text
from .server_stats import fetch_stats
from .top_view import View

Show = Callable[[Sequence[Outcome]], None]


@click.command(cls=Command)
@click.option(
    "--interval", type=click.FloatRange(0.1, 3600), default=1.0, show_default=True, help="Seconds between refreshes."
)
@click.option("--count", type=click.IntRange(1), help="End after this many refreshes. Default without a terminal: 1.")
@fleet_options(seconds=2)
def top(fleet: Fleet, interval: float, count: int | None) -> None:
    """Show health, hit rate, usage, and requests and evictions per second of each server, continuously.

    Servers that do not answer are asked again at each refresh. Press h for the keys, and q to quit. With --json, each
    refresh is one line of JSON.

    Example: lmcache-internal top --config lmcache.yaml --interval 2
    """
    live = is_terminal(sys.stdout) and is_terminal(sys.stdin) and not fleet.screen.as_json
    refreshes = count or (None if live else 1)
    view = View(fleet, interval)
    outcomes: list[Outcome] = []
    fleet.screen.quiet = True
    with contextlib.suppress(KeyboardInterrupt), unbuffered(live), _display(fleet, view, live) as show:
        while True:
            due = time.monotonic() + interval
            query = _Query(fleet)
            if _quit_pressed(live, query.done, view, show, outcomes):
                break
            outcomes = query.outcomes
            view.record(outcomes)
            show(outcomes)
            if refreshes is not None:
                refreshes -= 1
            if refreshes == 0 or _quit_pressed(live, partial(_is_past, due), view, show, outcomes):
                break
    if count or not live:
        fleet.finish(outcomes)


class _Query:
    """Asks all servers in a separate thread, so that keys are handled at the same time."""

    def __init__(self, fleet: Fleet) -> None:
        self.outcomes: list[Outcome] = []
        self._thread = threading.Thread(target=self._run, args=(fleet,), daemon=True)
        self._thread.start()

    def _run(self, fleet: Fleet) -> None:
        fleet.search_again()
        self.outcomes = fleet.each(fetch_stats)

    def done(self) -> bool:
        return not self._thread.is_alive()


def _quit_pressed(live: bool, done: Callable[[], bool], view: View, show: Show, outcomes: Sequence[Outcome]) -> bool:
    """Handle keys until `done`; returns whether the user quits."""
    for key in keys_until(live, done):
        if key == QUIT:
            return True
        if view.press(key) and outcomes:
            show(outcomes)
    return False


def _is_past(due: float) -> bool:
    return time.monotonic() >= due


@contextlib.contextmanager
def _display(fleet: Fleet, view: View, live: bool) -> Iterator[Show]:
    """Yield a function that shows a refresh: on the whole terminal, as a line of JSON, or as a table."""
    if fleet.screen.as_json:
        yield lambda outcomes: click.echo(json_text([view.public(outcome) for outcome in outcomes], indent=None))
    elif live:
        from rich.live import Live

        with Live(console=fleet.screen.console(), screen=True, auto_refresh=False) as screen:
            yield lambda outcomes: screen.update(view.screen(outcomes), refresh=True)
    else:
        yield view.print
