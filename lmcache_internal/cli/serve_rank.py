"""One rank of `serve`, in a separate process."""

from __future__ import annotations

import logging
import select
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection

import msgspec

from ..app import InternalApp
from ..engine.embedded.deployment import Deployment, example_prompts, fill
from ..engine.embedded.links import WorkerLink, serve_link
from ..engine.embedded.manager import EmbeddedManager
from ..engine.embedded.traffic import start_traffic
from ..server import InternalAPIServer


class Report(msgspec.Struct):
    """The report of a rank after its start.

    Attributes:
        error: the reason why it cannot serve; None if it serves.
        broken: plugin to the reason why it is not served.
    """

    error: str | None = None
    broken: dict[str, str] = {}


def rank_name(index: int) -> str:
    """Return the name of a rank in messages: `Scheduler`, `Worker 3`."""
    return f"Worker {index - 1}" if index else "Scheduler"


class Rank(msgspec.Struct, frozen=True):
    """A rank and its connections.

    Attributes:
        index: 0 for the scheduler, 1 + n for worker n.
        deployment: the parts of the ranks.
        seed: seed of the traffic that the scheduler sends; None for no traffic.
        links: on the scheduler, one connection per worker; on a worker, the connection to the scheduler.
        lifeline: the read end of a pipe; the rank ends when the parent's write end is closed.
        report: receives the `Report`.
    """

    index: int
    deployment: Deployment
    seed: int | None
    links: Sequence[Connection]
    lifeline: int
    report: Connection

    def run(self) -> int:
        """Serve until the lifeline is closed or SIGTERM is received; return the exit status."""
        terminated = _on_sigterm()
        _log_as(rank_name(self.index).lower())
        try:
            with self._serving() as app:
                self._send(Report(broken=dict(app.extensions["lmcache_internal"].failed) if app else {}))
                select.select([self.lifeline, terminated.fileno()], [], [])
                # The parent prints that all ranks stop.
                logging.getLogger().setLevel(logging.WARNING)
        except Exception as error:  # The parent prints any error and stops the other ranks.
            self._send(Report(error=str(error) or type(error).__name__))
            return 1
        return 0

    @contextmanager
    def _serving(self) -> Iterator[InternalApp | None]:
        workers = [] if self.index else [WorkerLink(link) for link in self.links]
        with self.deployment.manager(self.index, workers) as manager:
            if manager.lmcache_engine is not None:
                fill(manager.lmcache_engine)
                serve_link(self.links[0], manager.lmcache_engine)
            server = self._server(manager)
            with server:
                logging.getLogger().setLevel(logging.INFO)
                if not self.index:
                    self._start_requests(manager, workers)
                yield server.app

    def _server(self, manager: EmbeddedManager) -> InternalAPIServer:
        """Create the server; only two ranks log the traceback of a plugin that cannot be served."""
        plugins_logger = logging.getLogger("lmcache_internal.plugins.mount")
        plugins_logger.disabled = self.index > 1
        try:
            return InternalAPIServer(manager)
        finally:
            plugins_logger.disabled = False

    def _start_requests(self, scheduler: EmbeddedManager, workers: list[WorkerLink]) -> None:
        """Start the traffic, or look up the prompts that the workers store at their start."""
        if self.seed is not None:
            start_traffic(scheduler, workers, self.seed)
        elif scheduler.lookup_client is not None:
            prompts = example_prompts(scheduler.config.chunk_size)
            # In a thread, because the workers may still be starting.
            threading.Thread(
                target=list, args=(map(scheduler.lookup_client.lookup, prompts),), name="first-lookups", daemon=True
            ).start()

    def _send(self, report: Report) -> None:
        self.report.send_bytes(msgspec.json.encode(report))


def _log_as(name: str) -> None:
    """Log to stderr; only warnings during the start, because the parent prints the addresses."""
    form = f"%(asctime)s %(levelname)s [{name}] %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, force=True)


def _on_sigterm() -> socket.socket:
    """Return a socket that is readable after SIGTERM. SIGINT is ignored, because the parent handles Ctrl-C."""
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.detach(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return reading
