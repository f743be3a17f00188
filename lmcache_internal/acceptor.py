"""waitress' server: it accepts connections, and says who answers their requests."""

from __future__ import annotations

import errno
import logging
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress.server import BaseWSGIServer

from .address import Address
from .connection import Channel
from .pool import Pool
from .unyielding import accept, is_readable
from .watch import Watch

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
MAX_WAITING_FOR_READERS = 8
"""So many threads may wait for clients that do not read; who would make another one wait is cut off."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PROBES = frozenset({"livez", "readyz", "healthz"})


class Acceptor(BaseWSGIServer):
    """The listening socket, and the connections that came in.

    Args:
        address: what the socket is bound to.
        public: serve public routes only.
        keeps_gil: keep the interpreter's lock while bytes are moved.
        probes: the threads that answer probes.
        watch: knows which requests the loop answers itself.
        options: waitress' own.
    """

    channel_class = Channel
    next_channel_cleanup = math.inf  # `sweep` does it.
    _next_sweep = 0.0
    _exhausted_until = 0.0

    def __init__(
        self, address: Address, public: bool, keeps_gil: bool, probes: Pool, watch: Watch, **options: Any
    ) -> None:
        self.address = address
        self.public = public
        self.waiting_for_readers = threading.Semaphore(MAX_WAITING_FOR_READERS)
        self.keeps_gil = keeps_gil
        self.watch = watch
        self._probes = probes
        self._trigger_lock = threading.Lock()
        super().__init__(**options)

    def pull_trigger(self, thunk: Callable[[], None] | None = None) -> None:
        """Wake the loop, if need be, and let it call `thunk`."""
        if thunk is None and self.watch.leads():
            return  # It is awake.
        with self._trigger_lock:
            if not self.trigger._closed:  # Its descriptor may be somebody else's file by now.
                self.trigger.pull_trigger(thunk)

    def is_awaited(self) -> bool:
        """Whether the loop waits for the interpreter, as something has happened that it has not looked at."""
        return self.keeps_gil and is_readable(self._map.fileno())

    def release(self, channel: Channel) -> None:
        """Let the loop look at a channel that another thread has served."""
        self._map.unsettle(channel._fileno)
        self.pull_trigger()

    def close_trigger(self) -> None:
        """Let go of the trigger; the loop ends when nothing else is open."""
        with self._trigger_lock:
            self.trigger.close()

    def add_task(self, task: Channel) -> None:
        """Let the request at the head of a channel be answered by the loop itself, or wait for a thread."""
        task.is_inline = self.watch.leads() and self._is_inline(task)
        if not task.is_inline:
            self.queue_task(task)

    def queue_task(self, task: Channel) -> None:
        """Let it wait for a thread; probes have threads of their own.

        A busy server that left them waiting would be taken for a dead one, and killed.
        """
        path = getattr(task.requests[0], "path", "")  # Bad syntax has none.
        is_probe = path.lstrip("/").partition("/")[0] in _PROBES
        self._map.unsettle(task._fileno)  # A thread of the pool wakes the loop when it has served it.
        (self._probes if is_probe else self.task_dispatcher).add_task(task)

    def _is_inline(self, channel: Channel) -> bool:
        request = channel.requests[0]
        return (
            not request.error
            and self.watch.takes(request.path)
            and request.command in ("GET", "HEAD")
            and request.body_rcv is None
            # What a client has not read yet could fill the buffer, and the loop would wait for itself.
            and not channel.total_outbufs_len
        )

    def bind_server_socket(self) -> None:
        """Nothing to do: the socket comes bound."""

    def getsockname(self) -> tuple[str, str]:
        """Host and port, for what environ tells the app."""
        return self.address.host, str(self.address.port)

    def fix_addr(self, addr: Any) -> Any:
        """The address of a client; those of Unix sockets have none."""
        return ("localhost", None) if self.family == socket.AF_UNIX else addr

    def readable(self) -> bool:
        """Whether another connection may come in."""
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
        """A connection and its address; None where there is none to be had now."""
        try:
            return accept(self.socket, self.family) if self.keeps_gil else super().accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            # The client stays in the queue, and epoll would report it again and again.
            self._exhausted_until = time.monotonic() + SWEEP_SECONDS
            logger.warning("New connections wait: %s", error.strerror)
            return None

    def handle_error(self) -> None:
        """Log what failed."""
        # waitress would close the listening socket because one connection failed.
        logger.exception("A connection could not be accepted")
