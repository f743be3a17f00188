"""The server's event loop: epoll under waitress' dispatchers.

waitress asks every descriptor before every poll() what it waits for: with 900 idle connections, that
takes longer than an answer does. Here only those are asked for whom that may have changed.
"""

from __future__ import annotations

import select
from typing import Any

from waitress import wasyncore

_READ = select.EPOLLIN | select.EPOLLPRI
_AT_ONCE = 64

GAP_SECONDS = 0.0001
"""Long enough for a thread that waits for the interpreter to wake up and take it."""


class Loop(dict[int, Any]):
    """waitress' map of descriptors to what handles their events, which waits for those events.

    What is put in is waited for until it is taken out. Only the thread that calls `wait` may do either.
    """

    def __init__(self) -> None:
        super().__init__()
        self._epoll = select.epoll()
        self._awaited: dict[int, int] = {}
        self._unsettled: set[int] = set()

    def __setitem__(self, descriptor: int, handler: Any) -> None:
        self._await(descriptor, _READ)
        super().__setitem__(descriptor, handler)

    def __delitem__(self, descriptor: int) -> None:
        super().__delitem__(descriptor)
        self._unsettled.discard(descriptor)
        self._await(descriptor, 0)

    def fileno(self) -> int:
        """The descriptor of the epoll, -1 once it is closed."""
        return -1 if self._epoll.closed else self._epoll.fileno()

    @property
    def is_settled(self) -> bool:
        """Whether nothing but events can change what there is to do."""
        return not self._unsettled

    def unsettle(self, descriptor: int) -> None:
        """From now on, another thread may change what the handler of `descriptor` waits for; it wakes the loop then."""
        self._unsettled.add(descriptor)

    def wait(self, seconds: float | None) -> None:
        """Handle what has happened, or what happens first within `seconds`; None waits for as long as it takes."""
        for descriptor in list(self._unsettled):
            self._settle(descriptor)
        for descriptor, events in self._epoll.poll(seconds, _AT_ONCE):
            handler = self.get(descriptor)
            if handler is None:
                continue  # Closed since, by another one's handler.
            wanted = _wanted_by(handler) if descriptor in self._unsettled else _READ
            if wanted:
                wasyncore.readwrite(handler, events)
            else:
                self._await(descriptor, 0)  # Or it would be told again and again.
            if not wanted or _wanted_by(handler) != _READ:
                self._unsettled.add(descriptor)

    def close(self) -> None:
        """Wait for nothing any more. In a forked child, what the parent waits for stays as it is."""
        self._epoll.close()

    def _settle(self, descriptor: int) -> None:
        handler = self.get(descriptor)
        wanted = _wanted_by(handler) if handler else _READ
        # Who wants nothing is being served, and seldom sends anything meanwhile: to say so is not worth a system call.
        if handler and wanted and wanted != self._awaited.get(descriptor, 0):
            self._await(descriptor, wanted)
        if wanted == _READ:
            self._unsettled.discard(descriptor)

    def _await(self, descriptor: int, events: int) -> None:
        before = self._awaited.pop(descriptor, 0)
        if events:
            self._awaited[descriptor] = events
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
