"""waitress, fitted to run inside an engine: bounded under load, and gone when it is stopped."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments

from ..address import Address
from ..limits.server_load import servers
from ..log_lines import get_logger
from ..settings import MAX_BODY_BYTES
from ..system.log_queue import LogQueue
from .acceptor import SWEEP_SECONDS, Acceptor
from .connection import Channel
from .cpu_budget import CpuBudget
from .event_loop import Loop
from .gil_sockets import is_available
from .inline import inline_paths
from .memory import Memory
from .tasks import until_disconnected
from .thread_pool import Pool

logger = get_logger(__name__)

MIN_THREADS = 8
MAX_THREADS = 128
MAX_PROBE_THREADS = 8
HIGH_WATERMARK_BYTES = 16 << 20
"""With more than that unread, a thread that writes to the connection waits."""


class Transport:
    """A waitress server on a socket that listens already.

    Args:
        app: the WSGI app.
        listening: the socket; the transport closes it.
        address: what the socket is bound to.
        memory: bounds what all connections may hold.
        log_queue: takes what the event loop logs.
        public: serve public routes only.
        keeps_gil: keep the interpreter's lock while bytes are moved, where the system allows it.

    Raises:
        OSError: no descriptor is left.
    """

    def __init__(
        self,
        app: Any,
        listening: socket.socket,
        address: Address,
        memory: Memory,
        log_queue: LogQueue,
        public: bool = False,
        keeps_gil: bool = True,
    ) -> None:
        self._name = f"internal-api-server:{address.port}"
        self._dispatcher = Pool(MIN_THREADS, MAX_THREADS)
        self._probes = Pool(1, MAX_PROBE_THREADS)
        adjustments = Adjustments(
            ident=None,
            connection_limit=sys.maxsize,  # The acceptor has limits of its own.
            max_request_body_size=MAX_BODY_BYTES + 1,
            max_request_header_size=64 << 10,
            # Nothing goes to temporary files: they fail where the disk is full or descriptors are short.
            inbuf_overflow=sys.maxsize,
            outbuf_overflow=sys.maxsize,
            outbuf_high_watermark=HIGH_WATERMARK_BYTES,
            log_socket_errors=False,  # Clients that reset their connections must not fill the log.
            clear_untrusted_proxy_headers=False,  # A request that came through a proxy must be seen as such.
        )
        self._log_queue = log_queue
        self._loop = Loop()
        self._thread: threading.Thread | None = None
        self._server = Acceptor(
            address,
            public,
            keeps_gil and is_available(),
            self._probes,
            inline_paths(app),
            memory,
            app.admits,
            application=until_disconnected(app),
            map=self._loop,
            _sock=listening,
            dispatcher=self._dispatcher,
            adj=adjustments,
            sockinfo=(listening.family, listening.type, None, None),
        )

    def start(self) -> None:
        """Serve until `close`, in threads of its own.

        Raises:
            RuntimeError: the system gives no more threads; nothing is left behind but the sockets, see `disown`.
        """
        try:
            for dispatcher in (self._dispatcher, self._probes):
                dispatcher.start()
            thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            thread.start()
        except RuntimeError:
            self._end_threads(0.0)
            raise
        self._thread = thread
        servers.add(self)

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._server.active_channels)

    @property
    def queued(self) -> int:
        """Requests that wait for a thread."""
        return len(self._dispatcher.queue) + len(self._probes.queue)

    @property
    def busy(self) -> int:
        """Threads that serve a request."""
        return int(self._dispatcher.active_count + self._probes.active_count)

    def _run(self) -> None:
        self._server.run_in_this_thread()
        self._log_queue.take_over()
        budget = CpuBudget()
        while self._loop:
            try:
                self._loop.wait(self._server.sweeps_in)
                self._server.prepare_round()
                self._server.sweep()
                if self._dispatcher.is_busy or self._probes.is_busy:
                    budget.let_in()
                else:
                    budget.pause()  # It would take our own threads for a busy engine.
            except Exception:  # Handlers catch their own; a loop that ended for the rest would serve nobody.
                logger.exception("The server's event loop failed; it goes on")
                time.sleep(SWEEP_SECONDS)
        self._loop.close()

    def disown(self) -> None:
        """Close the descriptors without a word to the clients: in a forked child, or where `start` failed."""
        servers.discard(self)
        self._loop.close()
        wasyncore.close_all(self._loop, ignore_all=True)

    def drain(self, deadline: float) -> None:
        """Stop listening, close idle connections, and wait for busy ones until `deadline`."""
        self._in_loop(self._stop_listening)
        while any(not channel.is_idle for channel in self._channels()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self, deadline: float) -> None:
        """Close what is open and end the threads; one that is stuck past `deadline` is left to end by itself."""
        servers.discard(self)
        self._in_loop(self._close_all)
        self._end_threads(max(0.2, deadline - time.monotonic()))
        if self._thread is not None:
            self._thread.join(timeout=max(1.0, deadline - time.monotonic()))

    def _end_threads(self, seconds: float) -> None:
        for dispatcher in (self._dispatcher, self._probes):
            dispatcher.shutdown(timeout=seconds)

    def _in_loop(self, action: Callable[[], None]) -> None:
        """Run `action` in the loop's thread, where nothing else touches the sockets meanwhile."""
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._server.call_in_loop(run)
        done.wait(1.0)

    def _stop_listening(self) -> None:
        wasyncore.dispatcher.close(self._server)
        for channel in self._channels():
            if channel.is_idle:
                channel.end()

    def _close_all(self) -> None:
        for channel in self._channels():
            channel.end()
        self._server.close_trigger()

    def _channels(self) -> list[Channel]:
        return list(self._server.active_channels.values())
