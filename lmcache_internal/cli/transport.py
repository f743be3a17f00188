"""A transport of httpx whose connections come from a network backend of httpcore."""

from __future__ import annotations

import httpcore
import httpx


class BackendTransport(httpx.HTTPTransport):
    """A transport of httpx without TLS.

    Args:
        backend: opens the connections.
        socket_path: the Unix socket to connect to, or None.
    """

    def __init__(self, backend: httpcore.NetworkBackend, socket_path: str | None = None) -> None:
        super().__init__(verify=False)  # No TLS: loading certificate authorities takes longer than a request.
        self._pool.close()
        # httpx does not pass on a network backend. If it loses `_pool`, the line above fails before anything is sent.
        self._pool = httpcore.ConnectionPool(uds=socket_path, network_backend=backend)
