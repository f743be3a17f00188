"""Socket calls that hold the GIL, because a call that cannot block does not need to release it.

A thread that releases the GIL for a system call gets it back after `sys.getswitchinterval()`, 5 ms, if another thread
runs Python without a pause. The system call itself takes a few microseconds. `python -m benchmarks spinning_engine`
measures the difference, and `extra_config: internal_api_server_keep_gil: false` switches it off. To remove it, delete
this file and its uses in `acceptor.py` and `sending.py`.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
import termios
from typing import Any

_CALL = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
# Plain integers, because combining the flags takes longer than the system call.
_RECEIVE = int(socket.MSG_DONTWAIT)
_SEND = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_ACCEPT = int(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_ADDRESS_BYTES = 128  # sizeof(struct sockaddr_storage), see socket(7).


class GilSocket(socket.socket):
    """A connected, non-blocking socket."""

    def setblocking(self, flag: bool) -> None:
        """Do nothing: the socket never blocks."""

    def close(self) -> None:
        """Close the socket."""
        if self.fileno() >= 0:
            _libc.close(self.detach())

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return at most `size` received bytes; raise `BlockingIOError` if there are none."""
        buffer = ctypes.create_string_buffer(size)
        received = _checked(_libc.recv(self.fileno(), buffer, size, flags | _RECEIVE))
        return ctypes.string_at(buffer, received)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send bytes of `data` and return how many were sent; raise `BlockingIOError` if the send buffer is full."""
        data = bytes(data)
        return _checked(_libc.send(self.fileno(), data, len(data), flags | _SEND))


def accept(listening: socket.socket, family: socket.AddressFamily) -> tuple[GilSocket, Any]:
    """Return a new connection of `listening` and its address; raise `BlockingIOError` if there is none."""
    address, size = ctypes.create_string_buffer(_ADDRESS_BYTES), ctypes.c_uint(_ADDRESS_BYTES)
    descriptor = _checked(_libc.accept4(listening.fileno(), address, ctypes.byref(size), _ACCEPT))
    made = GilSocket(family, socket.SOCK_STREAM, fileno=descriptor)
    return made, _ip_and_port(family, address.raw)


def unacknowledged_bytes(descriptor: int) -> int:
    """Return the bytes sent but not acknowledged by the client's system (SIOCOUTQ, tcp(7)); 0 if unknown."""
    if not is_available():
        return 0
    queued = ctypes.c_int()
    return queued.value if _libc.ioctl(descriptor, termios.TIOCOUTQ, ctypes.byref(queued)) == 0 else 0


def is_available() -> bool:
    """Return whether this system supports these calls."""
    return sys.platform == "linux"


def _ip_and_port(family: socket.AddressFamily, raw: bytes) -> tuple[str, int] | None:
    """Return the address in a sockaddr_in or sockaddr_in6, see ip(7) and ipv6(7)."""
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
