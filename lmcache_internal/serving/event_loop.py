"""The server's event loop: epoll for waitress' dispatchers.

waitress asks every descriptor before every poll() which events it waits for. With 900 idle connections, that takes
longer than a response. This event loop asks a handler only after an event, and after a worker thread has resumed it.
"""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from waitress import wasyncore

from .cpu_budget import YIELD_SECONDS

_READ = select.EPOLLIN
_READ_OR_WRITE = select.EPOLLIN | select.EPOLLOUT
_GONE = select.EPOLLERR | select.EPOLLHUP
_MAX_EVENTS = 64
_MAX_RESUMED = 8
"""Resumed connections per round, so that a new client does not wait for all clients that pipeline."""


class Loop(dict[int, Any]):
    """waitress' map of descriptors to handlers, with epoll.

    It waits for events of each handler in the map. Only the thread that calls `wait` may add and remove handlers. Any
    thread may call `resume`.

    Attributes:
        last_pause: the monotonic time of the end of the last wait in which other threads could take the GIL.
    """

    last_pause = 0.0

    def __init__(self) -> None:
        super().__init__()
        self._epoll = select.epoll()
        self._registered: dict[int, int] = {}
        self._resumed: deque[Any] = deque()
        self._waiting: set[Any] = set()  # The same handlers, so that none is there twice.

    def __setitem__(self, descriptor: int, handler: Any) -> None:
        self._register(descriptor, _READ)
        super().__setitem__(descriptor, handler)

    def __delitem__(self, descriptor: int) -> None:
        super().__delitem__(descriptor)
        self._register(descriptor, 0)

    def is_registered(self, handler: Any) -> bool:
        """Return whether it waits for events of `handler`. Any thread may call this.

        A thread that changes what `handler` wants must call it after the change: a round that has unregistered
        `handler` asks it once more afterwards, so one of the two sees the other.
        """
        return handler._fileno in self._registered

    def resume(self, handler: Any) -> None:
        """Call `handler.handle_input` in the next round, because its state has changed."""
        if handler not in self._waiting:
            self._waiting.add(handler)
            self._resumed.append(handler)

    def wait(self, seconds: float | None) -> None:
        """Handle one round of events.

        Args:
            seconds: the longest wait for the first event; None waits without a limit.
        """
        accepting = []
        began = monotonic()
        events_of = self._epoll.poll(0 if self._resumed else seconds, _MAX_EVENTS)
        ended = monotonic()
        if ended - began >= YIELD_SECONDS:
            self.last_pause = ended
        for descriptor, events in events_of:
            handler = self.get(descriptor)
            if handler is None:
                continue  # An earlier handler of this round closed it.
            if handler.accepting:
                accepting.append((handler, events))  # Last: it may get the descriptor of one closed in this round.
            else:
                self._handle(handler, events)
        for _ in range(min(len(self._resumed), _MAX_RESUMED)):
            self._resume(self._resumed.popleft())
        for handler, events in accepting:
            self._handle(handler, events)

    def close(self) -> None:
        """Close the epoll descriptor. In a forked child, this does not change the parent's event loop."""
        self._epoll.close()

    def _handle(self, handler: Any, events: int) -> None:
        wanted = _wanted_by(handler)
        if events & _GONE and not events & wanted:
            self.call(handler.handle_close)  # A worker thread that serves it notices when it writes.
        elif not wanted and handler._fileno is not None:
            self._register(handler._fileno, 0)  # A worker thread serves it; epoll would report the event repeatedly.
        elif relevant := events & (wanted | ~_READ_OR_WRITE):
            wasyncore.readwrite(handler, relevant)
        self.refresh(handler)

    def _resume(self, handler: Any) -> None:
        self._waiting.discard(handler)  # First, so that a later change resumes it again.
        if handler._fileno is not None:  # The connection is open.
            self.call(handler.handle_input)
            self.refresh(handler)

    def call(self, method: Callable[..., None], *arguments: Any) -> None:
        """Call a method of a handler. As in `wasyncore.readwrite`, an error closes only that handler."""
        try:
            method(*arguments)
        except Exception:  # Of any kind: otherwise all connections would wait.
            method.__self__.handle_error()  # type: ignore[attr-defined]

    def refresh(self, handler: Any) -> None:
        """Wait for the events that `handler` wants now. Call it only in the thread that calls `wait`."""
        descriptor = handler._fileno
        wanted = 0 if descriptor is None else _wanted_by(handler)
        # A connection that is being served wants no events and rarely gets one. Unregistering it costs a system call.
        if wanted and wanted != self._registered.get(descriptor, 0):
            self._register(descriptor, wanted)

    def _register(self, descriptor: int, events: int) -> None:
        before = self._registered.pop(descriptor, 0)
        if self._epoll.closed:
            return
        if events and before:
            self._epoll.modify(descriptor, events)
        elif events:
            self._epoll.register(descriptor, events)
        elif before:
            self._epoll.unregister(descriptor)
        if events:
            self._registered[descriptor] = events


def _wanted_by(handler: Any) -> int:
    wanted = _READ if handler.readable() else 0
    return wanted | select.EPOLLOUT if handler.writable() and not handler.accepting else wanted
