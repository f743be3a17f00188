"""Send requests over a Unix socket, but only to a server of a trusted user.

The kernel reports which user listens on a socket, so the check happens before a token is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import httpcore

from ..system.peer_credentials import Peer, peer_of
from .transport import BackendTransport

Check = Callable[[Peer], None]
"""Raises if the peer must not receive anything."""


class UnixTransport(BackendTransport):
    """A transport of httpx that checks the user of the listening process before it sends a byte.

    Args:
        path: the socket.
        check: is called for each new connection; its exceptions end the request.
    """

    def __init__(self, path: str, check: Check) -> None:
        super().__init__(_CheckedBackend(check), path)


class _CheckedBackend(httpcore.SyncBackend):
    def __init__(self, check: Check) -> None:
        self._check = check

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        stream = super().connect_unix_socket(path, timeout, socket_options)
        try:
            self._check(peer_of(stream.get_extra_info("socket")))
        except BaseException:  # After any exception, the connection must be closed.
            stream.close()
            raise
        return stream
