"""Memory limits for all connections of a server: request bodies, and responses that clients have not read."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, cast

MAX_BODIES_BYTES = 32 << 20
"""Request bodies that are being received or served. A request that would exceed it is refused (503)."""
MAX_UNREAD_BYTES = 32 << 20
"""Responses that clients have not read. Beyond it, the client that has read least of its response is disconnected; if
several have read the same, the one that has stalled longest."""
_JOINED_BYTES = 8 << 10
"""Smaller chunks are joined: an object for each of millions of chunks would take much more memory than they do."""
_SEND_BYTES = 64 << 10
"""Sent data is copied. Large copies in many threads would fragment the heap of the engine's process."""


class ResponseBuffer:
    """The unsent bytes of responses. Large chunks are not copied, and sent bytes are freed."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def append(self, data: memoryview) -> None:
        """Append `data`."""
        self._size += len(data)
        if self._pieces and len(self._pieces[-1]) + len(data) <= _JOINED_BYTES:
            data = memoryview(bytes(self._pieces.pop()) + bytes(data))
        self._pieces.append(data)

    def get(self, size: int) -> memoryview:
        """Return the first bytes, at most `size`, without removing them."""
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
        """The size of the app's chunks that are not sent completely."""
        try:
            first = self._pieces[0]
        except IndexError:
            return 0
        return self._size + len(_source_bytes(first)) - len(first)  # Only the first piece can be sent in part.

    def close(self) -> None:
        """Free all bytes."""
        self._pieces.clear()
        self._size = 0


class MemoryBudget:
    """The memory of all connections of one server, on all its listeners.

    It adds up the sizes of at most a few thousand connections when it needs the sum. So there is no counter that could
    become wrong.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Any] = []

    def add(self, listener: Any) -> None:
        """Add a listener."""
        self._listeners.append(listener)

    def _channels(self) -> list[Any]:
        return [channel for listener in self._listeners for channel in tuple(listener.active_channels.values())]

    def admit_body(self, request: Any) -> bool:
        """Admit a request, whose body is then read, if there is memory for it; return whether it is admitted."""
        with self._lock:  # Otherwise several threads could admit requests for the same free memory.
            held = sum(channel.body_bytes for channel in self._channels())
            request.admitted = held + request.announced_bytes <= MAX_BODIES_BYTES
        return bool(request.admitted)

    def keep(self, channel: Any, data: memoryview) -> None:
        """Buffer `data` for a client. Above the limit, other clients that do not read are disconnected."""
        with self._lock:
            self._make_room(channel, len(_source_bytes(data)))
            channel.keep(data)

    def _make_room(self, writer: Any, size: int) -> None:
        # A single response that exceeds the limit is buffered, because the app holds it in memory anyway.
        waiting = [channel for channel in self._channels() if channel.total_outbufs_len and channel is not writer]
        excess = sum(channel.held_bytes for channel in (*waiting, writer)) + size - MAX_UNREAD_BYTES
        if excess <= 0:
            return
        for channel in sorted(waiting, key=_progress):
            if excess <= 0:
                return
            excess -= channel.held_bytes
            channel.drop()


class BlockedWriters:
    """The connections with a worker thread that waits until the client reads.

    Args:
        limit: the largest number of such connections.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: set[Any] = set()

    def add(self, channel: Any) -> None:
        """Add a connection. Above `limit`, the client that has read least of its response is disconnected."""
        with self._lock:
            self._waiting.add(channel)
            connected = [waiting for waiting in self._waiting if waiting.connected]
            slowest = min(connected, key=_progress) if len(connected) > self._limit else None
        if slowest is not None:
            slowest.drop()

    def remove(self, channel: Any) -> None:
        """Remove a connection."""
        with self._lock:
            self._waiting.discard(channel)


def _progress(channel: Any) -> tuple[int, float]:
    """Sort key: first the client that has read least of its response, then the one that has stalled longest."""
    return channel.read_bytes, channel.last_activity


def _source_bytes(piece: memoryview) -> bytes:
    """Return the app's chunk that `piece` keeps in memory."""
    return cast(bytes, piece.obj)
