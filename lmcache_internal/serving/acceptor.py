"""waitress' server: it accepts connections, and decides which thread answers their requests."""

from __future__ import annotations

import errno
import heapq
import math
import resource
import socket
import threading
import time
from collections.abc import Callable, Collection
from typing import Any

from waitress.server import BaseWSGIServer

from ..address import Address
from ..log_lines import get_logger
from .connection import Channel
from .gil_sockets import accept
from .inline import is_inline
from .memory import Memory, WaitingWriters
from .request_parser import WireError
from .thread_pool import Pool

logger = get_logger(__name__)

SWEEP_SECONDS = 0.5
MAX_CONNECTIONS = 1000
"""On each listener; a quarter of the process' descriptors where that is less, as they are the engine's."""
SPARE_CONNECTIONS = 32
"""What comes beyond the limit, to be told so, and for probes."""
MAX_WAITING_FOR_READERS = 8
"""So many threads may wait for their clients to read; beyond it, the client that has read least is disconnected."""
_ACCEPTS_A_ROUND = 16
_CLOSED_AT_ONCE = 8

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PROBES = frozenset({"livez", "readyz", "healthz"})


class Acceptor(BaseWSGIServer):
    """The listening socket and its connections.

    Args:
        address: what the socket is bound to.
        public: serve public routes only.
        keeps_gil: keep the interpreter's lock while bytes are moved.
        probes: the threads that answer probes.
        inline: paths that the event loop answers itself.
        memory: bounds what all connections may hold.
        admits: whether the caller of a request, of which the environ is given, may send its body.
        options: waitress' own.
    """

    channel_class = Channel
    next_channel_cleanup = math.inf  # `sweep` does it.
    _next_sweep = 0.0
    _full_until = 0.0

    def __init__(
        self,
        address: Address,
        public: bool,
        keeps_gil: bool,
        probes: Pool,
        inline: Collection[str],
        memory: Memory,
        admits: Callable[[dict[str, Any]], bool],
        **options: Any,
    ) -> None:
        self.address = address
        self.public = public
        self.waiting_for_readers = WaitingWriters(MAX_WAITING_FOR_READERS)
        self.memory = memory
        self.admits = admits
        self.limit = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        self._keeps_gil = keeps_gil
        self._inline = inline
        self._probes = probes
        self._loop_thread = 0
        self._woken = False
        self._trigger_lock = threading.Lock()
        super().__init__(**options)

    # Which thread answers

    def add_task(self, task: Channel) -> None:
        """Let the event loop answer the request of a connection at once, or queue it for a worker thread.

        Probes have threads of their own: a busy server that let them wait would be taken for a dead one, and killed.
        """
        request = task.requests[0]
        is_probe = request.path.lstrip("/").partition("/")[0] in _PROBES
        if task.is_spare and not (is_probe or request.error):
            request.refuse(WireError(503, "Service Unavailable", f"All {self.limit} connections are busy", 1))
        if request.error or is_inline(request, self._inline):
            task.answer()
        else:
            (self._probes if is_probe else self.task_dispatcher).add_task(task)

    # Waking the event loop

    def run_in_this_thread(self) -> None:
        """Tell that the calling thread runs the event loop."""
        self._loop_thread = threading.get_ident()

    def is_in_loop(self) -> bool:
        """Whether the calling thread runs the event loop."""
        return threading.get_ident() == self._loop_thread

    def resume(self, channel: Channel) -> None:
        """Let the event loop go on with a connection in its next round; only in the loop's thread."""
        self._map.resume(channel)

    def wake(self, channel: Channel) -> None:
        """Let the event loop go on with a connection, from any thread."""
        self._map.resume(channel)
        if not self._woken and not self.is_in_loop():
            self._woken = True
            self.call_in_loop(None)

    def call_in_loop(self, function: Callable[[], None] | None) -> None:
        """Wake the event loop, and let it call `function`."""
        with self._trigger_lock:
            if not self.trigger._closed:  # Its descriptor may be another file by now.
                self.trigger.pull_trigger(function)

    def pull_trigger(self, thunk: Callable[[], None] | None = None) -> None:
        """Do nothing: `wake` says which connection has changed, waitress' own calls do not."""

    def prepare_round(self) -> None:
        """Let worker threads wake the loop again; call it after each wait."""
        self._woken = False

    def close_trigger(self) -> None:
        """Close the trigger; the loop ends when nothing else is open."""
        with self._trigger_lock:
            self.trigger.close()

    # Accepting

    def handle_accept(self) -> None:
        """Accept some of the connections that wait."""
        for _ in range(_ACCEPTS_A_ROUND):
            if not self.readable() or (accepted := self.accept()) is None:
                return
            connection, address = accepted
            if len(self.active_channels) >= self.limit:
                self._make_room()
            is_spare = len(self.active_channels) >= self.limit
            Channel(self, connection, self.fix_addr(address), self.adj, map=self._map, is_spare=is_spare)

    def accept(self) -> Any:
        """A connection and its address; None where none can be had now."""
        try:
            return accept(self.socket, self.family) if self._keeps_gil else super().accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            # The client stays in the queue, and epoll would report it again and again.
            self._full_until = time.monotonic() + SWEEP_SECONDS
            logger.warning("New connections wait: %s", error.strerror)
            return None

    def readable(self) -> bool:
        """Whether another connection may be accepted."""
        if not self.accepting or time.monotonic() < self._full_until:
            return False
        if len(self.active_channels) >= self.limit + SPARE_CONNECTIONS and not self._make_room():
            self._full_until = time.monotonic() + SWEEP_SECONDS
            logger.warning("New connections wait: all %d are busy", len(self.active_channels))
            return False
        return True

    def _make_room(self) -> bool:
        """Close the oldest of the connections that are idle, or whose request is incomplete."""
        giving_way = [channel for channel in self.active_channels.values() if channel.gives_way]
        oldest = heapq.nsmallest(_CLOSED_AT_ONCE, giving_way, key=lambda channel: channel.last_activity)
        for channel in oldest:
            channel.end()
        return bool(oldest)

    def handle_error(self) -> None:
        """Log what failed."""
        # waitress would close the listening socket because one connection failed.
        logger.exception("A connection could not be accepted")

    # Looking after the connections

    @property
    def sweeps_in(self) -> float | None:
        """Seconds until the next `sweep`; None where nothing can need one before the next event."""
        is_quiet = not self.active_channels and not self._full_until
        pools = (self.task_dispatcher, self._probes)
        return None if is_quiet and all(pool.is_small for pool in pools) else SWEEP_SECONDS

    def sweep(self) -> None:
        """Apply the time limits, and end threads that nothing needs; call it often, between two waits.

        In the middle of a wait, a new connection could get a closed one's descriptor, and with it its events.
        """
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        if self._full_until and now >= self._full_until:
            self._full_until = 0.0
            self._map.refresh(self)
        for channel in list(self.active_channels.values()):
            channel.expire(now)
        for dispatcher in (self.task_dispatcher, self._probes):
            dispatcher.shrink()

    # What waitress asks of a server

    def bind_server_socket(self) -> None:
        """Do nothing: the socket comes bound."""

    def getsockname(self) -> tuple[str, str]:
        """Host and port, for the WSGI environ."""
        return self.address.host, str(self.address.port)

    def fix_addr(self, addr: Any) -> Any:
        """The address of a client; those of Unix sockets have none, and one of IPv4 is written as such."""
        if self.family == socket.AF_UNIX:
            return "localhost", None
        host, *rest = addr
        return (host.removeprefix("::ffff:") if "." in host else host, *rest)
