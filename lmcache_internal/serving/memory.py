"""What all connections of a server together may hold in memory: bodies that are read, and responses that are not."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, cast

MAX_BODIES_BYTES = 32 << 20
"""Request bodies that are being received or served; a request above it is refused (503)."""
MAX_UNREAD_BYTES = 32 << 20
"""Responses that clients have not read; above it, the client that has read least of its response is disconnected, of
several the one that has stalled longest."""
_SEND_BYTES = 64 << 10
"""What is sent at once is copied; large copies of many threads would fragment the heap of the engine's process."""


class ResponseBuffer:
    """Bytes that wait for the client, as the app wrote them: nothing is copied, and what is sent is freed."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, data: memoryview) -> None:
        """Add `data` at the end."""
        self._pieces.append(data)
        self._size += len(data)

    def get(self, size: int) -> memoryview:
        """The first bytes, at most `size`; they stay."""
        return self._pieces[0][: min(size, _SEND_BYTES)] if self._pieces else memoryview(b"")

    def skip(self, size: int, allow_prune: bool = False) -> None:  # noqa: ARG002  # waitress' signature.
        """Remove `size` bytes that `get` returned."""
        self._size -= size
        if size == len(self._pieces[0]):
            self._pieces.popleft()
        else:
            self._pieces[0] = self._pieces[0][size:]

    @property
    def held_bytes(self) -> int:
        """The size of what the app wrote and the client has not read to its end."""
        return sum(len(_whole(piece)) for piece in tuple(self._pieces))

    def close(self) -> None:
        """Free everything."""
        self._pieces.clear()
        self._size = 0


class Memory:
    """The connections of one server, on all its listeners.

    The sums are taken when they are needed, of at most a few thousand connections: there is no counter that a
    connection could leave wrong.
    """

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._channels: set[Any] = set()

    def add(self, channel: Any) -> None:
        """Count a connection."""
        self._channels.add(channel)

    def remove(self, channel: Any) -> None:
        """Forget a connection that is closed."""
        self._channels.discard(channel)

    def has_room_for_body(self, size: int) -> bool:
        """Whether a body of `size` bytes may be read now."""
        held: int = sum(channel.body_bytes for channel in self._channels.copy())
        return held + size <= MAX_BODIES_BYTES

    def keep(self, channel: Any, data: memoryview) -> None:
        """Let `data` wait for a client; where memory is short, others that do not read are disconnected."""
        with self._adding:
            self._make_room(channel, len(_whole(data)))
            channel.keep(data)

    def _make_room(self, writer: Any, size: int) -> None:
        # A response that is larger than the budget may wait alone: the app holds it in memory anyway.
        waiting = [channel for channel in self._channels.copy() if channel.total_outbufs_len and channel is not writer]
        excess = sum(channel.held_bytes for channel in (*waiting, writer)) + size - MAX_UNREAD_BYTES
        if excess <= 0:
            return
        for channel in sorted(waiting, key=_progress):
            if excess <= 0:
                return
            excess -= channel.held_bytes
            channel.drop()


class WaitingWriters:
    """The connections whose worker threads wait until their clients read.

    Args:
        limit: how many may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: set[Any] = set()

    def add(self, channel: Any) -> None:
        """Count a connection; of more than `limit`, the client that has read least of its response is disconnected."""
        with self._lock:
            self._waiting.add(channel)
            connected = [waiting for waiting in self._waiting if waiting.connected]
            slowest = min(connected, key=_progress) if len(connected) > self._limit else None
        if slowest is not None:
            slowest.drop()

    def remove(self, channel: Any) -> None:
        """Count a connection no longer."""
        with self._lock:
            self._waiting.discard(channel)


def _progress(channel: Any) -> tuple[int, float]:
    """Lowest for the connection whose client has read least, and of several for the one that has stalled longest."""
    return channel.read_bytes, channel.last_activity


def _whole(piece: memoryview) -> bytes:
    """What the app wrote, which `piece` keeps in memory."""
    return cast(bytes, piece.obj)
