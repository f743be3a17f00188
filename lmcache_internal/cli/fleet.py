"""Ask many servers at the same time, and show one result for each.

Each server has a thread and the command has a deadline, so that a server that is down, slow or hostile costs its own
row and nothing else.
"""

from __future__ import annotations

import contextlib
import queue
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .client import Client, Failure
from .credentials import BearerToken
from .outcome import Found, Outcome
from .output import Screen
from .server_table import fitted_table, grouped_failures
from .sources import Source
from .targets import Target, names_of, unreachable_message
from .text import printable

if TYPE_CHECKING:
    from rich.console import RenderableType

GRACE_SECONDS = 0.5
"""How long a job may take to return what it has after its requests have timed out."""
PROGRESS_SECONDS = 1.0
"""How often the progress message is updated, and when it first appears."""

Job = Callable[[Client], Any]
"""Asks one server; returns data, or raises `Failure`."""
Cells = Callable[[Any], Mapping[str, object]]
"""Makes the columns of a row from a job's data."""


class Fleet:
    """The servers of a command.

    Args:
        found: the servers. Those that failed during the search are not asked again.
        token: the bearer token to send, or None.
        seconds: the time limit for all answers together.
        screen: where to print.
        source: the options that chose the servers.
        access: the options that say how to reach the servers, for hints.
        search: finds the servers again.
    """

    def __init__(
        self,
        found: Found,
        token: BearerToken | None,
        seconds: float,
        screen: Screen,
        source: Source | None = None,
        access: Sequence[str] = (),
        search: Callable[[], Found] | None = None,
    ) -> None:
        self.found = found
        self.screen = screen
        self.seconds = seconds
        self.token = token
        self._source = source or Source()
        self._access = list(access)
        self._search = search

    @property
    def targets(self) -> list[Target]:
        """The servers, each once."""
        return list(dict.fromkeys(self.found.targets))

    @property
    def config(self) -> Path | None:
        """The engine's YAML by which the servers were found, if any."""
        return self._source.file

    def hint(self, words: Sequence[str], targets: Sequence[Target]) -> str:
        """Return a command line for these servers that can be pasted into a shell."""
        return shlex.join(["lmcache-internal", *words, *self.options(targets)])

    def options(self, targets: Sequence[Target]) -> list[str]:
        """Return the options that choose and reach these servers."""
        return [*self._source.options(targets), *self._access]

    def narrowed(self, targets: Sequence[Target], seconds: float) -> Fleet:
        """Return some of the servers as a fleet that prints nothing, with `seconds` for all answers together."""
        screen = Screen()
        screen.quiet = True
        return Fleet(Found(targets), self.token, seconds, screen, self._source, self._access)

    @property
    def can_change(self) -> bool:
        """Whether another search may find other servers."""
        return self._search is not None and not self._source.is_fixed

    def search(self) -> Found:
        """Return the servers that another search finds; raises `click.ClickException` if a list cannot be read."""
        return self.found if self._search is None else self._search()

    def search_again(self) -> None:
        """Find the servers again if the last search did not find all of them; keep them if a list cannot be read."""
        if self._search is not None and not self.found.complete:
            with contextlib.suppress(click.ClickException):
                self.found = self.search()

    def each(self, job: Job, show: Callable[[Outcome], object] | None = None) -> list[Outcome]:
        """Do `job` with all servers at the same time; returns the outcomes in the order of the targets.

        Args:
            job: what each server is asked.
            show: called with each outcome when it is known.
        """
        found = {}
        for outcome in self.outcomes(job):
            found[outcome.target] = outcome
            if show is not None:
                show(outcome)
        outcomes = [found[target] for target in self.targets]
        if not self.screen.quiet and all(outcome.unreachable for outcome in outcomes):
            self.screen.note(unreachable_message(self.targets))
        return outcomes

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """Do `job` with all servers at the same time; yields each outcome when it is known."""
        arrived: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        failed = self.found.failed
        missing = [target for target in self.targets if target not in failed]
        yield from (failed[target] for target in self.targets if target in failed)
        for target in missing:
            # A daemon thread: a server that never ends its answer must not keep the command from ending.
            threading.Thread(target=self._run, args=(job, target, arrived), daemon=True).start()
        began = time.monotonic()
        with self.screen.waiting() as show:
            for outcome in _arrivals(arrived, began + self.seconds + GRACE_SECONDS) if missing else ():
                if outcome is None:
                    show(f"Waiting {time.monotonic() - began:.0f} s for {_names(missing)}")
                    continue
                missing.remove(outcome.target)
                yield outcome
                if not missing:
                    return
        error = f"no answer within {self.seconds:g} s"
        yield from (Outcome(target, error=error, unsure=True, unreachable=True) for target in missing)

    def show(self, outcomes: Sequence[Outcome], cells: Cells, note: str = "") -> None:
        """Print a row for each server, and end with status 1 if any failed.

        Args:
            outcomes: one for each server.
            cells: makes the columns besides index, role and address.
            note: what people read after the table, on the standard error.
        """
        if self.screen.as_json:
            self.screen.json([outcome.public() for outcome in outcomes])
        else:
            outcomes = [outcome.map(cells) for outcome in outcomes]
            self.screen.show(self.fitted_table(outcomes))
            if note:
                self.screen.note(note)
        self.finish(outcomes)

    def show_texts(self, outcomes: Sequence[Outcome]) -> None:
        """Print the text of each server, under its name if there are several; end with status 1 if any failed."""
        if self.screen.as_json:
            return self.show(outcomes, dict)
        for number, outcome in enumerate(outcomes):
            if len(outcomes) > 1:
                self.screen.heading(outcome.target.name, first=number == 0)
            if outcome.ok:
                self.screen.text(str(outcome.data).rstrip("\n"))
            else:
                self.screen.error(f"{outcome.error}")
        return self.finish(outcomes)

    def report_failures(self, outcomes: Sequence[Outcome]) -> None:
        """Print which servers failed and why, those that answered first; end with status 1 if any failed."""
        ordered = sorted(outcomes, key=lambda outcome: outcome.unreachable)
        for error, targets in grouped_failures(ordered).items():
            self.screen.error(printable(f"{names_of(targets)}: {error}"))
        self.finish(outcomes)

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """End with status 1 if any server failed."""
        if not all(outcome.ok for outcome in outcomes):
            raise SystemExit(1)

    def fitted_table(self, outcomes: Sequence[Outcome], short: bool = False) -> RenderableType:
        """Return a row for each server, as wide as the terminal; see `server_table.fitted_table`."""
        return fitted_table(self.screen, outcomes, short)

    def _run(self, job: Job, target: Target, arrived: queue.SimpleQueue[Outcome]) -> None:
        try:
            with Client(target, self.token, self.seconds) as client:
                arrived.put(Outcome(target, job(client)))
        except Failure as failure:
            arrived.put(Outcome.of(target, failure))
        except click.ClickException as error:
            arrived.put(Outcome(target, error=error.message))
        except Exception as error:  # A job may fail at any answer; the other servers must keep their rows.
            arrived.put(Outcome.unusable(target, error))


def _arrivals(arrived: queue.SimpleQueue[Outcome], deadline: float) -> Iterator[Outcome | None]:
    """Yield outcomes when they arrive, and None for each second without one, until the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            yield arrived.get(timeout=min(left, PROGRESS_SECONDS))
        except queue.Empty:
            yield None


def _names(targets: Sequence[Target]) -> str:
    names = ", ".join(target.name for target in targets[:3])
    return f"{names} and {len(targets) - 3} more" if len(targets) > 3 else names
