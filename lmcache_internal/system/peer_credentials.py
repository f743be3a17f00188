"""The process at the other end of a Unix socket, as the kernel reports it."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid; see unix(7), SO_PEERCRED.


class Peer(NamedTuple):
    """The process that connected, or for a client, the process that listens.

    Attributes:
        pid: its process id; 0 if it is not visible in this PID namespace.
        uid: its effective user id when it connected or listened.
    """

    pid: int
    uid: int

    def __str__(self) -> str:
        return f"Process {self.pid} of uid {self.uid}"


def peer_of(connection: socket.socket) -> Peer:
    """Return the peer of a connected Unix socket; raise `OSError` for any other socket."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(credentials)
    return Peer(pid, uid)
