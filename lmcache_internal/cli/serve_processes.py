"""The processes of `serve`: one per rank, forked from a parent that has imported everything and has no threads."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait

import click
import msgspec

from ..engine.embedded.deployment import Deployment
from ..errors import ServerStartError
from ..plugins.sources import find
from .serve_rank import Rank, Report, rank_name

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
SIGNALS = (*STOP_SIGNALS, signal.SIGCHLD)
"""The parent blocks these signals and waits for them, so that they do not interrupt it."""

_STOP_SECONDS = 10.0
"""Timeout for the ranks to end; the server's own drain timeout is 5 s."""
_POLL_SECONDS = 0.02


class Stopped(Exception):
    """SIGINT or SIGTERM was received."""


def load_everything() -> None:
    """Import everything that the ranks need, except plugins: imported modules are shared by all forked processes."""
    for source in find([]):
        if source.builtin:
            source.load()
    gc.collect()
    gc.freeze()  # Otherwise, the first collection in each child would write to all pages and so copy them.


class Processes:
    """The running ranks.

    Args:
        deployment: the parts of the ranks.
        seed: seed of the traffic; None for no traffic.

    Attributes:
        broken: plugin to the reason why it is not served.
    """

    def __init__(self, deployment: Deployment, seed: int | None) -> None:
        self.broken: dict[str, str] = {}
        self._names: dict[int, str] = {}
        self._lifeline = os.pipe()
        try:
            self._await(self._fork_all(deployment, seed))
        except BaseException:  # Whatever is raised, a signal too: no rank may be left running.
            self.stop()
            raise

    @property
    def is_any_running(self) -> bool:
        """Whether a rank is running."""
        return bool(self._names)

    def reap(self) -> None:
        """Print the ranks that have ended unexpectedly, with their exit status."""
        for name, process, status in self._ended():
            click.echo(f"{name} (process {process}) ended: {_in_words(status)}")

    def stop(self) -> None:
        """Stop all ranks; kill those that do not end within the timeout."""
        self._close_lifeline()
        deadline = time.monotonic() + _STOP_SECONDS
        while self._names and time.monotonic() < deadline:
            # A second Ctrl-C ends the wait.
            received = signal.sigtimedwait(SIGNALS, 0.1)
            if received and received.si_signo in STOP_SIGNALS:
                break
            self._ended()
        for process, name in list(self._names.items()):
            click.echo(f"{name} (process {process}) did not end and is killed.", err=True)
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            del self._names[process]

    def _fork_all(self, deployment: Deployment, seed: int | None) -> dict[Connection, str]:
        links = [Pipe() for _ in range(deployment.workers)]
        reports = [Pipe(duplex=False) for _ in range(1 + deployment.workers)]
        sys.stdout.flush()
        sys.stderr.flush()
        for index, (_, report) in enumerate(reports):
            own = [worker for _, worker in links[index - 1 : index]] if index else [scheduler for scheduler, _ in links]
            rank = Rank(index, deployment, seed, own, self._lifeline[0], report)
            process = os.fork()
            if process == 0:
                all_ends = [end for pair in (*links, *reports) for end in pair]
                self._run_in_child(rank, [end for end in all_ends if end is not report and end not in own])
            self._names[process] = rank_name(index)
        for _, report in reports:
            report.close()
        for pair in links:
            for end in pair:
                end.close()
        return {reading: rank_name(index) for index, (reading, _) in enumerate(reports)}

    def _run_in_child(self, rank: Rank, others: Sequence[Connection]) -> None:
        """Run a rank in the child process; it never returns."""
        status = 1
        try:
            os.close(self._lifeline[1])
            for end in others:
                end.close()  # Otherwise, the other processes would not detect that its owner has ended.
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            status = rank.run()
        finally:
            with suppress(OSError):
                sys.stderr.flush()
            os._exit(status)

    def _await(self, starting: dict[Connection, str]) -> None:
        """Wait until all ranks serve; raise `ServerStartError` if one cannot, `Stopped` on a signal."""
        while starting:
            if signal.sigtimedwait(STOP_SIGNALS, 0):
                raise Stopped
            ready = wait(list(starting), _POLL_SECONDS)
            for reading in [reading for reading in starting if reading in ready]:
                name = starting.pop(reading)
                try:
                    report = msgspec.json.decode(reading.recv_bytes(), type=Report)
                except EOFError:
                    report = Report(error="the process ended before it served")
                reading.close()
                if report.error:
                    raise ServerStartError(f"{name}: {report.error}")
                self.broken |= report.broken

    def _ended(self) -> list[tuple[str, int, int]]:
        """Return name, process and wait status of each rank that has ended since the last call."""
        found = []
        for process in list(self._names):
            if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                _, status = os.waitpid(process, 0)
                found.append((self._names.pop(process), process, status))
        return found

    def _close_lifeline(self) -> None:
        for end in self._lifeline:
            with suppress(OSError):
                os.close(end)
        self._lifeline = (-1, -1)


def _in_words(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
