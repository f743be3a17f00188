"""The waitress server: it accepts connections and decides which thread serves each request."""

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

from ..redaction.log_lines import get_logger
from ..settings.address import Address
from .connection import Channel
from .gil_sockets import accept
from .inline import is_inline
from .memory import BlockedWriters, MemoryBudget
from .request_parser import WireError
from .thread_pool import Pool

logger = get_logger(__name__)

SWEEP_SECONDS = 0.5
_WARNING_SECONDS = 60.0
"""Time between two warnings that new connections wait."""
MAX_CONNECTIONS = 1000
"""Connections per listener. If a quarter of the process' file descriptors is less, that is the limit."""
EXTRA_CONNECTIONS = 32
"""Connections beyond the limit. They serve probes, and answer every other request with 503."""
MAX_BLOCKED_WRITERS = 8
"""Worker threads that may wait for slow clients. Beyond it, the client that has read least is disconnected."""
_ACCEPTS_A_ROUND = 16
_CLOSED_AT_ONCE = 8

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PROBES = frozenset({"livez", "readyz", "healthz"})


class Acceptor(BaseWSGIServer):
    """The listening socket and its connections.

    Args:
        address: the address that the socket is bound to.
        public: serve only public routes.
        keeps_gil: hold the GIL during socket calls.
        probes: the thread pool for probes.
        inline: the paths that the event loop serves itself.
        memory: the limit on the memory of all connections.
        admits: returns the largest body that the caller of a request (a WSGI environ) may send, in bytes; 0 if none.
        options: the keyword arguments of waitress' server.

    Attributes:
        loop_thread: the identifier of the thread that runs the event loop.
    """

    channel_class = Channel
    next_channel_cleanup = math.inf  # `sweep` closes idle connections instead.
    loop_thread = 0
    _next_sweep = 0.0
    _full_until = 0.0
    _next_warning = 0.0

    def __init__(
        self,
        address: Address,
        public: bool,
        keeps_gil: bool,
        probes: Pool,
        inline: Collection[str],
        memory: MemoryBudget,
        admits: Callable[[dict[str, Any]], int],
        **options: Any,
    ) -> None:
        self.address = address
        self.public = public
        self.blocked_writers = BlockedWriters(MAX_BLOCKED_WRITERS)
        self.memory = memory
        self.admits = admits
        self.limit = min(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 4)
        self._keeps_gil = keeps_gil
        self._inline = inline
        self._probes = probes
        self._woken = False
        self._trigger_lock = threading.Lock()
        super().__init__(**options)
        memory.add(self)

    # Which thread serves a request

    def add_task(self, task: Channel) -> None:
        """Serve the request of a connection in the event loop, or queue it for a worker thread.

        Probes have their own threads: if they waited for a busy thread pool, Kubernetes would restart the process.
        """
        request = task.requests[0]
        is_probe = request.path.lstrip("/").partition("/")[0] in _PROBES
        if task.is_over_limit and not (is_probe or request.error):
            request.refuse(WireError(503, "Service Unavailable", f"All {self.limit} connections are busy", 1))
        if request.error or is_inline(request, self._inline):
            task.answer()
        else:
            (self._probes if is_probe else self.task_dispatcher).add_task(task)

    # Waking the event loop

    def is_in_loop(self) -> bool:
        """Return whether the calling thread runs the event loop."""
        return threading.get_ident() == self.loop_thread

    def resume(self, channel: Channel) -> None:
        """Continue with a connection in the next round of the event loop. Any thread may call this."""
        self._map.resume(channel)
        if not self._woken and not self.is_in_loop():
            self._woken = True
            self.call_in_loop(None)

    def call_in_loop(self, function: Callable[[], None] | None) -> None:
        """Wake the event loop, and make it call `function`."""
        with self._trigger_lock:
            if not self.trigger._closed:  # The descriptor may already belong to another file.
                self.trigger.pull_trigger(function)

    def pull_trigger(self, thunk: Callable[[], None] | None = None) -> None:
        """Do nothing: `resume` names the connection that has changed, waitress' own calls do not."""

    def close_trigger(self) -> None:
        """Close the trigger; the event loop ends when nothing else is open."""
        with self._trigger_lock:
            self.trigger.close()

    # Accepting

    def handle_accept(self) -> None:
        """Accept a batch of waiting connections, of which there is at least one."""
        if self._is_full and not self._evict_oldest():
            self._pause(f"all {len(self.active_channels)} are busy")
        for _ in range(_ACCEPTS_A_ROUND):
            # It does not evict for the next one, because no other client may be waiting.
            if self._is_full or (accepted := self.accept()) is None:
                return
            connection, address = accepted
            if len(self.active_channels) >= self.limit:
                self._evict_oldest()
            is_over_limit = len(self.active_channels) >= self.limit
            Channel(self, connection, self.fix_addr(address), self.adj, map=self._map, is_over_limit=is_over_limit)

    def accept(self) -> Any:
        """Return a connection and its address, or None if there is none to accept."""
        try:
            return accept(self.socket, self.family) if self._keeps_gil else super().accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self._pause(str(error.strerror))
            return None

    def _pause(self, reason: str) -> None:
        # A client stays in the queue, so epoll would report it again and again.
        now = time.monotonic()
        self._full_until = now + SWEEP_SECONDS
        if now >= self._next_warning:
            self._next_warning = now + _WARNING_SECONDS
            logger.warning("New connections wait: %s", reason)

    def readable(self) -> bool:
        """Return whether another connection may be accepted."""
        return bool(self.accepting) and time.monotonic() >= self._full_until

    @property
    def _is_full(self) -> bool:
        return len(self.active_channels) >= self.limit + EXTRA_CONNECTIONS

    def _evict_oldest(self) -> bool:
        """Close the oldest connections that are idle or have an incomplete request; return whether there were any."""
        giving_way = [channel for channel in self.active_channels.values() if channel.is_evictable]
        oldest = heapq.nsmallest(_CLOSED_AT_ONCE, giving_way, key=lambda channel: channel.last_activity)
        for channel in oldest:
            channel.end()
        return bool(oldest)

    def handle_error(self) -> None:
        """Log the exception."""
        # waitress would close the listening socket because one connection failed.
        logger.exception("A connection could not be accepted")

    # Connection timeouts

    @property
    def seconds_to_sweep(self) -> float | None:
        """Seconds until the next `sweep`; None if no sweep is needed before the next event."""
        is_quiet = not self.active_channels and not self._full_until
        pools = (self.task_dispatcher, self._probes)
        return None if is_quiet and all(pool.is_at_minimum for pool in pools) else SWEEP_SECONDS

    def sweep(self) -> None:
        """Apply the timeouts, and end unneeded threads. Call it after each wait.

        During a wait, a new connection could get the descriptor of a closed connection, and then its events.
        """
        self._woken = False  # From now on, a change must wake the next wait.
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        if self._full_until and now >= self._full_until:
            self._full_until = 0.0
            self._map.refresh(self)
        for channel in list(self.active_channels.values()):
            self._map.call(channel.expire, now)
        for dispatcher in (self.task_dispatcher, self._probes):
            dispatcher.shrink()

    # The interface that waitress expects of a server

    def bind_server_socket(self) -> None:
        """Do nothing: the socket is already bound."""

    def getsockname(self) -> tuple[str, str]:
        """Return host and port for the WSGI environ."""
        return self.address.host, str(self.address.port)

    def fix_addr(self, addr: Any) -> Any:
        """Return the address of a client, with IPv4 addresses as such; clients of Unix sockets have none."""
        if self.family == socket.AF_UNIX:
            return "localhost", None
        host, *rest = addr
        return (host.removeprefix("::ffff:") if "." in host else host, *rest)
