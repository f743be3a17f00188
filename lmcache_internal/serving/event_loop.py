"""The server's event loop: epoll under waitress' dispatchers.

waitress asks every descriptor before every poll() what it waits for: with 900 idle connections, that takes longer than
an answer does. This loop asks a handler only after one of its events, and after a worker thread has resumed it.
"""

from __future__ import annotations

import select
from collections import deque
from typing import Any

from waitress import wasyncore

_READ = select.EPOLLIN
_READ_OR_WRITE = select.EPOLLIN | select.EPOLLOUT
_GONE = select.EPOLLERR | select.EPOLLHUP
_MAX_EVENTS = 64
_MAX_RESUMED = 8
"""Connections that pipeline get turns of so many, that new clients need not wait for all of them."""


class Loop(dict[int, Any]):
    """waitress' map of descriptors to their handlers, which waits for events.

    A handler is waited for from the moment it is added until it is removed. Only the thread that calls `wait` may add
    and remove; `resume` may be called from any thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._epoll = select.epoll()
        self._registered: dict[int, int] = {}
        self._resumed: deque[Any] = deque()

    def __setitem__(self, descriptor: int, handler: Any) -> None:
        self._register(descriptor, _READ)
        super().__setitem__(descriptor, handler)

    def __delitem__(self, descriptor: int) -> None:
        super().__delitem__(descriptor)
        self._register(descriptor, 0)

    def resume(self, handler: Any) -> None:
        """Call `handler.handle_input` in the next round: what it waits for, or may go on with, has changed."""
        self._resumed.append(handler)

    def wait(self, seconds: float | None) -> None:
        """Handle one round of events.

        Args:
            seconds: how long to wait for the first event; None waits without limit.
        """
        accepting = []
        for descriptor, events in self._epoll.poll(0 if self._resumed else seconds, _MAX_EVENTS):
            handler = self.get(descriptor)
            if handler is None:
                continue  # An earlier handler of this round closed it.
            if handler.accepting:
                accepting.append((handler, events))  # A new connection may get the descriptor of one closed here.
            else:
                self._handle(handler, events)
        for _ in range(min(len(self._resumed), _MAX_RESUMED)):
            self._resume(self._resumed.popleft())
        for handler, events in accepting:
            self._handle(handler, events)

    def close(self) -> None:
        """Stop waiting. In a forked child, this does not change what the parent waits for."""
        self._epoll.close()

    def _handle(self, handler: Any, events: int) -> None:
        wanted = _wanted_by(handler)
        if events & _GONE and not events & wanted:
            handler.handle_close()  # Also while a worker thread serves it: the thread learns of it.
        elif not wanted and handler._fileno is not None:
            self._register(handler._fileno, 0)  # A worker thread serves it. The event would come again and again.
        elif relevant := events & (wanted | ~_READ_OR_WRITE):
            wasyncore.readwrite(handler, relevant)
        self.refresh(handler)

    def _resume(self, handler: Any) -> None:
        if handler._fileno is None:
            return  # It is closed.
        try:
            handler.handle_input()
        except Exception:  # As wasyncore.readwrite does: a fault of one connection closes it, and no other.
            handler.handle_error()
        self.refresh(handler)

    def refresh(self, handler: Any) -> None:
        """Wait for what `handler` wants now; only in the thread that calls `wait`."""
        descriptor = handler._fileno
        wanted = 0 if descriptor is None else _wanted_by(handler)
        # A connection that is being served waits for nothing and rarely has an event. Saying so costs a system call.
        if wanted and wanted != self._registered.get(descriptor, 0):
            self._register(descriptor, wanted)

    def _register(self, descriptor: int, events: int) -> None:
        before = self._registered.pop(descriptor, 0)
        if events:
            self._registered[descriptor] = events
        if self._epoll.closed:
            return
        if events and before:
            self._epoll.modify(descriptor, events)
        elif events:
            self._epoll.register(descriptor, events)
        elif before:
            self._epoll.unregister(descriptor)


def _wanted_by(handler: Any) -> int:
    wanted = _READ if handler.readable() else 0
    return wanted | select.EPOLLOUT if handler.writable() and not handler.accepting else wanted
