"""waitress, fitted to live inside an engine: it holds out under load and leaves nothing behind."""

from __future__ import annotations

import errno
import logging
import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.server import BaseWSGIServer

from .address import Address
from .app import MAX_BODY_BYTES
from .connection import Channel
from .inline import inline_paths
from .loop import Loop
from .pool import Pool
from .unyielding import is_available

logger = logging.getLogger(__name__)

MIN_THREADS = 4
MAX_THREADS = 64
MAX_PROBE_THREADS = 8
SWEEP_SECONDS = 1.0
MAX_UNREAD_BYTES = 16 << 20
"""With more than that unread, no more is written, nor the next request served, on that connection."""
MAX_WAITING_FOR_READERS = 8
"""So many threads may wait for clients that do not read; who would make another one wait is cut off."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PROBES = frozenset({"livez", "readyz", "healthz"})


class _Listener(BaseWSGIServer):
    channel_class = Channel
    next_channel_cleanup = math.inf  # `sweep` does it.
    _next_sweep = 0.0
    _exhausted_until = 0.0

    def __init__(self, address: Address, public: bool, keeps_gil: bool, probes: Pool, **options: Any) -> None:
        self.address = address
        self.public = public
        self.waiting_for_readers = threading.Semaphore(MAX_WAITING_FOR_READERS)
        self.keeps_gil = keeps_gil
        self.loop_thread = 0
        self._probes = probes
        self._inline_paths = inline_paths(options["application"])
        self._trigger_lock = threading.Lock()
        super().__init__(**options)

    def pull_trigger(self, thunk: Callable[[], None] | None = None) -> None:
        if thunk is None and threading.get_ident() == self.loop_thread:
            return  # It is awake.
        with self._trigger_lock:
            if not self.trigger._closed:  # Its descriptor may be somebody else's file by now.
                self.trigger.pull_trigger(thunk)

    def close_trigger(self) -> None:
        """Let go of the trigger; the loop ends when nothing else is open."""
        with self._trigger_lock:
            self.trigger.close()

    def add_task(self, task: Channel) -> None:
        """Let the request at the head of a channel be answered by the loop itself, or wait for a thread."""
        task.is_inline = threading.get_ident() == self.loop_thread and self._is_inline(task)
        if not task.is_inline:
            self.queue_task(task)

    def queue_task(self, task: Channel) -> None:
        """Let it wait for a thread; probes have threads of their own.

        A busy server that left them waiting would be taken for a dead one, and killed.
        """
        path = getattr(task.requests[0], "path", "")  # Bad syntax has none.
        is_probe = path.lstrip("/").partition("/")[0] in _PROBES
        self._map.unsettle(task._fileno)
        (self._probes if is_probe else self.task_dispatcher).add_task(task)

    def _is_inline(self, channel: Channel) -> bool:
        request = channel.requests[0]
        return (
            not request.error
            and request.path in self._inline_paths
            and request.command in ("GET", "HEAD")
            and request.body_rcv is None
            # What a client has not read yet could fill the buffer, and the loop would wait for itself.
            and not channel.total_outbufs_len
        )

    def bind_server_socket(self) -> None:
        """Nothing to do: the socket comes bound."""

    def getsockname(self) -> tuple[str, str]:
        return self.address.host, str(self.address.port)

    def fix_addr(self, addr: Any) -> Any:
        return ("localhost", None) if self.family == socket.AF_UNIX else addr

    def set_socket_options(self, conn: socket.socket) -> None:
        if self.family != socket.AF_UNIX:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def readable(self) -> bool:
        return bool(super().readable()) and time.monotonic() >= self._exhausted_until

    @property
    def sweeps_in(self) -> float | None:
        """For how many seconds there is nothing to sweep; None if that can only begin with an event."""
        pools = (self.task_dispatcher, self._probes)
        is_quiet = not self.active_channels and self._map.is_settled and all(pool.is_small for pool in pools)
        return None if is_quiet else SWEEP_SECONDS

    def sweep(self) -> None:
        """Close connections that are over, and end threads that nothing needs; call it often, between two waits.

        In the middle of one, a new connection could get a closed one's descriptor, and with it its events.
        """
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for channel in list(self.active_channels.values()):
            if channel.is_over(now):
                channel.refused = False  # It has had its time.
                channel.handle_close()
        for dispatcher in (self.task_dispatcher, self._probes):
            dispatcher.shrink()

    def accept(self) -> Any:
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            # The client stays in the queue, and poll() would report it again and again.
            self._exhausted_until = time.monotonic() + SWEEP_SECONDS
            logger.warning("New connections wait: %s", error.strerror)
            return None

    def handle_error(self) -> None:
        # waitress would close the listening socket because one connection failed.
        logger.exception("A connection could not be accepted")


class Transport:
    """A waitress server on a socket that listens already.

    Args:
        app: the WSGI app.
        listening: the socket; the transport closes it.
        address: what the socket is bound to.
        public: serve public routes only.
        keeps_gil: keep the interpreter's lock while bytes are moved, where the system allows it.
    """

    def __init__(
        self, app: Any, listening: socket.socket, address: Address, public: bool = False, keeps_gil: bool = True
    ) -> None:
        self._dispatcher = Pool(MIN_THREADS, MAX_THREADS)
        self._probes = Pool(1, MAX_PROBE_THREADS)
        adjustments = Adjustments(
            ident=None,
            connection_limit=1000,
            max_request_body_size=MAX_BODY_BYTES + 1,
            max_request_header_size=64 << 10,
            # Nothing goes to temporary files: they fail where the disk is full or descriptors are short.
            inbuf_overflow=sys.maxsize,
            outbuf_overflow=sys.maxsize,
            outbuf_high_watermark=MAX_UNREAD_BYTES,
            clear_untrusted_proxy_headers=False,  # Who came through a proxy must be seen as such.
        )
        self._loop = Loop()
        self._server = _Listener(
            address,
            public,
            keeps_gil and is_available(),
            self._probes,
            application=app,
            map=self._loop,
            _sock=listening,
            dispatcher=self._dispatcher,
            adj=adjustments,
            sockinfo=(listening.family, listening.type, None, None),
        )

    def run(self) -> None:
        """Serve until `close`."""
        self._server.loop_thread = threading.get_ident()
        while self._loop:
            try:
                self._loop.wait(self._server.sweeps_in)
                self._server.sweep()
            except Exception:
                # What handles events catches its own; a loop that ended for the rest would serve nobody.
                logger.exception("The server's loop failed; it goes on")
                time.sleep(SWEEP_SECONDS)
        self._loop.close()

    def disown(self) -> None:
        """Close a forked child's copies of the descriptors; nothing is sent, and the parent notices nothing."""
        self._loop.close()
        wasyncore.close_all(self._loop, ignore_all=True)

    def drain(self, deadline: float) -> None:
        """Stop listening, close idle connections, and wait for busy ones until `deadline`."""
        self._in_loop(self._stop_listening)
        while any(not channel.is_idle() for channel in self._channels()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self, deadline: float) -> None:
        """Close what is open and end the threads; one stuck past `deadline` is left to end by itself."""
        self._in_loop(self._close_all)
        for dispatcher in (self._dispatcher, self._probes):
            dispatcher.shutdown(timeout=max(0.2, deadline - time.monotonic()))

    def _in_loop(self, action: Any) -> None:
        """Run `action` in the loop's thread, where nothing else touches the sockets meanwhile."""
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._server.pull_trigger(run)
        done.wait(1.0)

    def _stop_listening(self) -> None:
        wasyncore.dispatcher.close(self._server)
        for channel in self._channels():
            if channel.is_idle():
                channel.handle_close()

    def _close_all(self) -> None:
        for channel in self._channels():
            channel.handle_close()
        self._server.close_trigger()

    def _channels(self) -> list[Channel]:
        return list(self._server.active_channels.values())
