"""Requests over a Unix socket, sent only to a server whose user is trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import httpcore
import httpx

from ..system.peer_credentials import Peer, peer_of

Check = Callable[[Peer], None]
"""Raises where the peer may be sent nothing."""


class UnixTransport(httpx.HTTPTransport):
    """A transport of httpx over a Unix socket, which checks who listens there before it sends a byte.

    Args:
        path: the socket.
        check: is called for each new connection; what it raises, the request raises.
    """

    def __init__(self, path: str, check: Check) -> None:
        super().__init__(verify=False)  # There is no TLS, and reading certificates takes longer than a request.
        self._pool.close()
        # httpx hands no network backend on. Without its attribute `_pool`, the line above fails, and nothing is sent.
        self._pool = httpcore.ConnectionPool(uds=path, network_backend=_CheckedBackend(check))


class _CheckedBackend(httpcore.SyncBackend):
    def __init__(self, check: Check) -> None:
        self._check = check

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        stream = super().connect_unix_socket(path, timeout, socket_options)
        try:
            self._check(peer_of(stream.get_extra_info("socket")))
        except BaseException:  # Whatever is raised, the connection must not stay open.
            stream.close()
            raise
        return stream
