"""Who is at the other end of a Unix socket, as the kernel tells."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid; see unix(7), SO_PEERCRED.


class Peer(NamedTuple):
    """The process that connected, or, seen from a client, the one that listens.

    Attributes:
        pid: its process id; 0 where it cannot be seen from this PID namespace.
        uid: its effective user id at that time.
    """

    pid: int
    uid: int

    def __str__(self) -> str:
        return f"Process {self.pid} of uid {self.uid}"


def peer_of(connection: socket.socket) -> Peer:
    """The peer of a connected Unix socket; raises `OSError` for a socket of another kind."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return Peer(pid, uid)
