"""A socket whose `recv` and `send` keep the interpreter's lock: they cannot block, and so need not give it away.

A thread that gives the lock away for a system call gets it back after `sys.getswitchinterval()`, 5 ms,
where another thread of the engine runs Python without a pause; the call itself takes some microseconds.
`python -m benchmarks spinning_engine` measures what it is worth, and `extra_config:
internal_api_server_keep_gil: false` switches it off. To remove it, delete this file and its use in `connection.py`.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from typing import Any

_CALL = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
# As plain numbers: to join flags takes longer than the call.
_RECEIVE = int(socket.MSG_DONTWAIT)
_SEND = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


class UnyieldingSocket(socket.socket):
    """Takes over a connected socket, which must not block."""

    @classmethod
    def of(cls, taken: socket.socket) -> UnyieldingSocket:
        """The connection of `taken`, which must not be used any longer."""
        timeout = taken.gettimeout()
        made = cls(taken.family, taken.type, taken.proto, fileno=taken.detach())
        made.settimeout(timeout)
        return made

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come in, at most `size` bytes; `BlockingIOError` where nothing has."""
        buffer = ctypes.create_string_buffer(size)
        received = _checked(_libc.recv(self.fileno(), buffer, size, flags | _RECEIVE))
        return ctypes.string_at(buffer, received)

    def send(self, data: Any, flags: int = 0) -> int:
        """How many bytes of `data` went out; `BlockingIOError` where there is no room."""
        data = bytes(data)
        return _checked(_libc.send(self.fileno(), data, len(data), flags | _SEND))


def is_available() -> bool:
    """Whether this system has what it takes."""
    return sys.platform == "linux"


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
