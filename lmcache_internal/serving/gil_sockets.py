"""System calls that keep the interpreter's lock: what cannot block need not give it away.

A thread that gives the lock away for a system call gets it back after `sys.getswitchinterval()`, 5 ms,
where another thread of the engine runs Python without a pause; the call itself takes some microseconds.
`python -m benchmarks spinning_engine` measures what it is worth, and `extra_config:
internal_api_server_keep_gil: false` switches it off. To remove it, delete this file and its uses in `acceptor.py`
and `sending.py`.
"""

from __future__ import annotations

import ctypes
import os
import select
import socket
import struct
import sys
import termios
from typing import Any

_CALL = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
# As plain numbers: to join flags takes longer than the call.
_RECEIVE = int(socket.MSG_DONTWAIT)
_SEND = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_ACCEPT = int(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_ONE_POLL = struct.Struct("ihh")  # struct pollfd, see poll(2).
_ADDRESS_BYTES = 128  # sizeof(struct sockaddr_storage), see socket(7).


class GilSocket(socket.socket):
    """A connected socket that does not block."""

    def setblocking(self, flag: bool) -> None:
        """Nothing to do: it never blocks."""

    def close(self) -> None:
        """Close it."""
        if self.fileno() >= 0:
            _libc.close(self.detach())

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come in, at most `size` bytes; `BlockingIOError` where nothing has."""
        buffer = ctypes.create_string_buffer(size)
        received = _checked(_libc.recv(self.fileno(), buffer, size, flags | _RECEIVE))
        return ctypes.string_at(buffer, received)

    def send(self, data: Any, flags: int = 0) -> int:
        """How many bytes of `data` went out; `BlockingIOError` where there is no room."""
        data = bytes(data)
        return _checked(_libc.send(self.fileno(), data, len(data), flags | _SEND))


def accept(listening: socket.socket, family: socket.AddressFamily) -> tuple[GilSocket, Any]:
    """A connection to `listening`, of `family`, and its address; `BlockingIOError` where there is none."""
    address, size = ctypes.create_string_buffer(_ADDRESS_BYTES), ctypes.c_uint(_ADDRESS_BYTES)
    descriptor = _checked(_libc.accept4(listening.fileno(), address, ctypes.byref(size), _ACCEPT))
    made = GilSocket(family, socket.SOCK_STREAM, fileno=descriptor)
    return made, _ip_and_port(family, address.raw)


def is_readable(descriptor: int) -> bool:
    """Whether there is something to read from `descriptor`; of an epoll, whether events wait there."""
    return bool(_libc.poll(_ONE_POLL.pack(descriptor, select.POLLIN, 0), 1, 0) > 0)


def unacknowledged_bytes(descriptor: int) -> int:
    """How many sent bytes the client's system has not acknowledged (SIOCOUTQ, tcp(7)); 0 where that is unknown."""
    if not is_available():
        return 0
    queued = ctypes.c_int()
    return queued.value if _libc.ioctl(descriptor, termios.TIOCOUTQ, ctypes.byref(queued)) == 0 else 0


def is_available() -> bool:
    """Whether this system has what it takes."""
    return sys.platform == "linux"


def _ip_and_port(family: socket.AddressFamily, raw: bytes) -> tuple[str, int] | None:
    """What sockaddr_in and sockaddr_in6 hold, see ip(7) and ipv6(7)."""
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    ip = raw[4:8] if family == socket.AF_INET else raw[8:24]
    return socket.inet_ntop(family, ip), int.from_bytes(raw[2:4], "big")


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if is_available():
    _libc = ctypes.PyDLL(None, use_errno=True)
    for _function in (_libc.recv, _libc.send):
        _function.argtypes = _CALL
        _function.restype = ctypes.c_ssize_t
    _libc.accept4.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(ctypes.c_uint), ctypes.c_int)
    _libc.close.argtypes = (ctypes.c_int,)
    _libc.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.POINTER(ctypes.c_int))
    _libc.poll.argtypes = (ctypes.c_char_p, ctypes.c_ulong, ctypes.c_int)
