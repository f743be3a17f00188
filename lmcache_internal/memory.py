"""What all connections of a server together may hold in memory: bodies that are read, and responses that are not."""

from __future__ import annotations

from typing import Any

MAX_BODIES_BYTES = 32 << 20
"""Request bodies that are being received or served; a request above it is refused (503)."""
MAX_UNREAD_BYTES = 32 << 20
"""Responses that clients have not read; above it, the client that has stalled longest is disconnected."""


class Memory:
    """The connections of one server, on all its listeners.

    The sums are taken when they are needed, of at most a few thousand connections: there is no counter that a
    connection could leave wrong.
    """

    def __init__(self) -> None:
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

    def make_room_for_response(self, writer: Any, size: int) -> None:
        """Disconnect clients that do not read, until `size` more bytes may wait for the client of `writer`.

        A response that is larger than the budget may wait alone: the app holds it in memory anyway.
        """
        waiting = [channel for channel in self._channels.copy() if channel.total_outbufs_len and channel is not writer]
        excess = sum(channel.total_outbufs_len for channel in (*waiting, writer)) + size - MAX_UNREAD_BYTES
        for channel in sorted(waiting, key=lambda channel: channel.last_activity):
            if excess <= 0:
                return
            excess -= channel.total_outbufs_len
            channel.drop()
