"""A waitress server for use in an engine's process: bounded under load, and completely gone after it is stopped."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments

from ..limits.server_load import servers
from ..redaction.log_lines import get_logger
from ..settings.address import Address
from ..system.log_queue import LogQueue
from .acceptor import SWEEP_SECONDS, Acceptor
from .connection import Channel
from .cpu_budget import LoopBudget, server_time
from .event_loop import Loop
from .gil_sockets import is_available
from .inline import inline_paths
from .memory import MemoryBudget
from .tasks import until_disconnected
from .thread_pool import Pool

logger = get_logger(__name__)

MIN_THREADS = 8
MAX_THREADS = 128
MAX_PROBE_THREADS = 8
MAX_HEAD_BYTES = 64 << 10
"""Size of a request line and its headers; a larger one is refused (431)."""
HIGH_WATERMARK_BYTES = 16 << 20
"""Unread bytes of a connection above which a thread that writes to it waits."""


class Transport:
    """A waitress server on a listening socket.

    Args:
        app: the WSGI app.
        listening: the socket; the transport closes it.
        address: the address that the socket is bound to.
        memory: the limit on the memory of all connections.
        log_queue: the queue for log records of the event loop.
        public: serve only public routes.
        keeps_gil: hold the GIL during socket calls, if the system supports it.

    Raises:
        OSError: the process has no free file descriptor.
    """

    def __init__(
        self,
        app: Any,
        listening: socket.socket,
        address: Address,
        memory: MemoryBudget,
        log_queue: LogQueue,
        public: bool = False,
        keeps_gil: bool = True,
    ) -> None:
        self._name = f"internal-api-server:{address.port}"
        self._dispatcher = Pool(MIN_THREADS, MAX_THREADS)
        self._probes = Pool(1, MAX_PROBE_THREADS)
        adjustments = Adjustments(
            ident=None,
            connection_limit=sys.maxsize,  # The acceptor has its own limit.
            max_request_body_size=sys.maxsize,  # The limit depends on the route; see `Channel._admit`.
            max_request_header_size=MAX_HEAD_BYTES,
            # No temporary files: they fail if the disk is full or file descriptors run out.
            inbuf_overflow=sys.maxsize,
            outbuf_overflow=sys.maxsize,
            outbuf_high_watermark=HIGH_WATERMARK_BYTES,
            log_socket_errors=False,  # Clients that reset their connections must not fill the log.
            clear_untrusted_proxy_headers=False,  # The app must see whether a request came through a proxy.
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
        """Serve in new threads until `close` is called.

        Raises:
            RuntimeError: the system cannot start another thread. The sockets remain open; see `close_descriptors`.
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

    @server_time.counting()
    def _run(self) -> None:
        self._server.loop_thread = threading.get_ident()
        self._log_queue.use_in_this_thread()
        budget = LoopBudget()
        while self._loop:
            try:
                self._loop.wait(self._server.seconds_to_sweep)
                self._server.sweep()
                if self._dispatcher.is_busy or self._probes.is_busy:
                    budget.yield_gil(self._loop.last_pause)
                budget.throttle()
            except (
                Exception
            ):  # Handlers catch their own errors. If another one ended the loop, nothing would be served.
                logger.exception("The server's event loop failed; it continues")
                time.sleep(SWEEP_SECONDS)
        self._loop.close()

    def close_descriptors(self) -> None:
        """Close the descriptors without shutting the connections down: in a forked child, or if `start` failed."""
        servers.discard(self)
        self._loop.close()
        wasyncore.close_all(self._loop, ignore_all=True)

    def drain(self, deadline: float) -> None:
        """Stop listening, close idle connections, and wait for busy ones until `deadline` (monotonic time)."""
        self._run_in_loop(self._stop_listening)
        while any(not channel.is_idle for channel in self._channels()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self, deadline: float) -> None:
        """Close all connections and end the threads. A thread that is stuck at `deadline` is not waited for."""
        servers.discard(self)
        self._run_in_loop(self._close_all)
        self._end_threads(max(0.2, deadline - time.monotonic()))
        if self._thread is not None:
            self._thread.join(timeout=max(1.0, deadline - time.monotonic()))

    def _end_threads(self, seconds: float) -> None:
        for dispatcher in (self._dispatcher, self._probes):
            dispatcher.shutdown(timeout=seconds)

    def _run_in_loop(self, action: Callable[[], None]) -> None:
        """Run `action` in the event loop's thread, because no other thread uses the sockets there."""
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
