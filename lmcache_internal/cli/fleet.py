"""Many servers asked at once, one outcome each; none of them can hold up the others."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .client import Client, Failure
from .credentials import BearerToken
from .output import Screen
from .targets import Target, ranks
from .units import UNKNOWN

if TYPE_CHECKING:
    from rich.table import Table

PATIENCE = 1.0
"""Seconds of silence after which a person wants to know what is being waited for."""


@dataclass(frozen=True)
class Outcome:
    """What became of one server.

    Attributes:
        target: the server.
        data: what the job made of it; None where it failed.
        error: why it failed, or None.
        body: the JSON that came with a refusal, if any.
        unsure: whether, though it failed, it may have done what it was asked.
    """

    target: Target
    data: Any = None
    error: str | None = None
    body: Any = None
    unsure: bool = False

    @property
    def ok(self) -> bool:
        """Whether it went well."""
        return self.error is None

    def map(self, change: Callable[[Any], Any]) -> Outcome:
        """The same with its data changed, where there is any."""
        return replace(self, data=change(self.data)) if self.ok else self

    def public(self) -> dict[str, Any]:
        """What `--json` says of it."""
        told = {"data": self.data} if self.ok else {"error": self.error}
        return {**self.target.public(), "ok": self.ok, **told}


Job = Callable[[Client], Any]
"""Asks one server; returns data, or raises `Failure`."""
Cells = Callable[[Any], Mapping[str, object]]
"""Makes the columns of a row from a job's data."""


class Fleet:
    """The servers of a command.

    Args:
        targets: which.
        token: the bearer token to send, or None.
        seconds: how long to wait for all of them.
        screen: where to show what.
        config: the engine's YAML that the servers were found by, if any.

    Attributes:
        token: likewise.
    """

    def __init__(
        self,
        targets: Sequence[Target],
        token: BearerToken | None,
        seconds: float,
        screen: Screen,
        config: Path | None = None,
    ) -> None:
        self.targets = list(dict.fromkeys(targets))
        self.screen = screen
        self.seconds = seconds
        self.config = config
        self.token = token

    def each(self, job: Job) -> list[Outcome]:
        """Do `job` with every server at once; the outcomes in the order of the targets."""
        found = {outcome.target: outcome for outcome in self.outcomes(job)}
        return [found[target] for target in self.targets]

    def outcomes(self, job: Job) -> Iterator[Outcome]:
        """The same, each outcome as it comes."""
        arrived: queue.SimpleQueue[Outcome] = queue.SimpleQueue()
        for target in self.targets:
            # A daemon: a server that never ends its answer must not keep the command from ending.
            threading.Thread(target=self._run, args=(job, target, arrived), daemon=True).start()
        missing = list(self.targets)
        began = time.monotonic()
        with self.screen.waiting() as tell:
            for outcome in _arrivals(arrived, began + self.seconds):
                if outcome is None:
                    tell(f"Waiting for {_names(missing)} … {time.monotonic() - began:.0f} s")
                    continue
                missing.remove(outcome.target)
                yield outcome
                if not missing:
                    return
        yield from (Outcome(target, error=f"no answer within {self.seconds:g} s", unsure=True) for target in missing)

    def show(self, outcomes: Sequence[Outcome], cells: Cells) -> None:
        """Show one row a server, and end with status 1 if any failed.

        Args:
            outcomes: what became of the servers.
            cells: the columns besides index, role and address.
        """
        if self.screen.as_json:
            self.screen.json([outcome.public() for outcome in outcomes])
        else:
            self.screen.show(self.table(outcomes, cells))
        self.finish(outcomes)

    def show_texts(self, outcomes: Sequence[Outcome]) -> None:
        """Show each server's text, under its name where there are several, and end with status 1 if any failed."""
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

    def complain(self, outcomes: Sequence[Outcome]) -> None:
        """Say beside the result which servers failed why, and end with status 1 if any did."""
        failed: dict[str | None, list[Target]] = {}
        for outcome in outcomes:
            if not outcome.ok:
                failed.setdefault(outcome.error, []).append(outcome.target)
        for error, targets in failed.items():
            name = targets[0].name if len(targets) == 1 else f"{len(targets)} servers ({ranks(targets)})"
            self.screen.error(f"{name}: {error}")
        self.finish(outcomes)

    def finish(self, outcomes: Sequence[Outcome]) -> None:
        """End with status 1 if any failed; the words for it are on the screen already."""
        if not all(outcome.ok for outcome in outcomes):
            raise SystemExit(1)

    def table(self, outcomes: Sequence[Outcome], cells: Cells, short: bool = False) -> Table:
        """The rows, those that failed with the reason; `short` names a server in one column."""
        rows = {outcome.target: cells(outcome.data) for outcome in outcomes if outcome.ok}
        columns = list(dict.fromkeys(name for row in rows.values() for name in row))
        failures = [] if all(outcome.ok for outcome in outcomes) else ["error"]
        table: list[list[object]] = []
        for outcome in outcomes:
            row = rows.get(outcome.target, {})
            error = [self.screen.styled(outcome.error or "", "red")] if failures else []
            where = outcome.target.cells(short)
            table.append([*where.values(), *(row.get(name, UNKNOWN) for name in columns), *error])
        return self.screen.table([*self.targets[0].cells(short), *columns, *failures], table)

    def _run(self, job: Job, target: Target, arrived: queue.SimpleQueue[Outcome]) -> None:
        try:
            with Client(target, self.token, self.seconds) as client:
                arrived.put(Outcome(target, job(client)))
        except Failure as failure:
            arrived.put(Outcome(target, error=str(failure), body=failure.body, unsure=failure.unsure))
        except click.ClickException as error:
            arrived.put(Outcome(target, error=error.message))
        except Exception as error:  # A job may fail at any answer; that must not take the others' rows away.
            arrived.put(Outcome(target, error=f"unusable answer ({type(error).__name__}: {error})", unsure=True))


def _arrivals(arrived: queue.SimpleQueue[Outcome], deadline: float) -> Iterator[Outcome | None]:
    """Outcomes as they come, None for each second without one, until the deadline."""
    while (left := deadline - time.monotonic()) > 0:
        try:
            yield arrived.get(timeout=min(left, PATIENCE))
        except queue.Empty:
            yield None


def _names(targets: Sequence[Target]) -> str:
    names = ", ".join(target.name for target in targets[:3])
    return f"{names} and {len(targets) - 3} more" if len(targets) > 3 else names
