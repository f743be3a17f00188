"""Random clients at once: each request must get its response, unless its connection is closed for a known reason."""

from __future__ import annotations

import contextlib
import http.client
import io
import random
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from lmcache_internal import InternalAPIServer
from tests.faults.random_requests import KINDS, PLUGIN, Request, large
from tests.support import connect, make_manager, server_values

CLIENTS = 12
PATIENCE = 30.0
"""Seconds of silence that count as a lost request."""
KERNEL_BYTES = 64 << 10
"""A response of this size fits into the buffers of the kernel. A slow client with more unread may be disconnected."""


class _Reader(io.BufferedReader):
    """A stream that `http.client` cannot close, because the next response follows."""

    def close(self) -> None: ...

    def makefile(self, _mode: str) -> _Reader:
        return self


class Client:
    """One client, which opens connection after connection.

    Args:
        server: the server.
        chance: the source of its decisions.
    """

    def __init__(self, server: InternalAPIServer, chance: random.Random) -> None:
        self._server = server
        self._chance = chance
        self.answered = 0

    def connection(self) -> None:
        """Send random requests on a new connection, and check the responses.

        Raises:
            AssertionError: a response is missing or wrong.
        """
        chance = self._chance
        requests = [chance.choice(KINDS)(chance) for _ in range(chance.randrange(1, 12))]
        if chance.random() < 0.05:
            requests = [large(chance)]
        first = next((number for number, each in enumerate(requests) if each.closes), len(requests))
        requests = requests[: first + 1]
        is_slow = chance.random() < 0.15
        with connect(self._server) as sock:
            sock.settimeout(PATIENCE)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if is_slow:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
            if chance.random() < 0.15:
                self._vanish(sock, requests)
            else:
                self._converse(sock, requests, is_slow)

    def _vanish(self, sock: socket.socket, requests: list[Request]) -> None:
        """Send a part of the requests, read a part of the responses, and close or reset the connection."""
        data = b"".join(request.sent for request in requests)
        with contextlib.suppress(ConnectionError):
            sock.sendall(data[: self._chance.randrange(len(data) + 1)][:100_000])
            if self._chance.random() < 0.5:
                time.sleep(self._chance.random() / 50)
            if self._chance.random() < 0.3:
                sock.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    sock.recv(self._chance.randrange(1, 5000))
        if self._chance.random() < 0.6:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _converse(self, sock: socket.socket, requests: list[Request], is_slow: bool) -> None:
        chance = self._chance
        is_pipelined = chance.random() < 0.5
        reader = _Reader(socket.SocketIO(sock, "rb"))
        sender: threading.Thread | None = None
        try:
            if is_pipelined:
                half_closes = chance.random() < 0.3
                data = b"".join(request.sent for request in requests)
                sender = threading.Thread(target=self._send, args=(sock, data, half_closes))
                sender.start()
            for request in requests:
                if not is_pipelined:
                    self._send(sock, request.sent, False)
                if not self._receive(reader, request, is_slow):
                    return
            if requests[-1].closes:
                assert reader.read(1) == b"", f"the server did not close after {requests[-1].sent[:200]!r}"
        finally:
            if sender is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                sender.join()

    def _send(self, sock: socket.socket, data: bytes, half_closes: bool) -> None:
        piece = self._chance.choice([1, 7, 1000, 8192, 1 << 20, 1 << 20])
        if piece == 1:
            piece = max(1, len(data) // 300)
        with contextlib.suppress(OSError):  # The server has closed the connection; the response says why.
            for start in range(0, len(data), piece):
                sock.sendall(data[start : start + piece])
            if half_closes:
                sock.shutdown(socket.SHUT_WR)

    def _receive(self, reader: _Reader, request: Request, is_slow: bool) -> bool:
        """Check one response; return whether the connection continues."""
        what = f"{request.sent[:90]!r} (slow: {is_slow})"
        response = http.client.HTTPResponse(reader, method=request.method)  # type: ignore[arg-type]
        try:
            response.begin()
            body = b"".join(self._pieces(response, is_slow))
            if response.length:  # `read` returns what has arrived before the connection was closed.
                raise http.client.IncompleteRead(body, response.length)
        except TimeoutError:
            raise AssertionError(f"no response to {what}") from None
        except (ConnectionError, http.client.HTTPException) as error:
            is_large = request.body is not None and len(request.body) > KERNEL_BYTES
            if is_slow or is_large or request.closes or 504 in request.status:
                return False
            raise AssertionError(f"{error!r} instead of a response to {what}") from error
        assert response.status in request.status, f"{response.status} {body[:300]!r} for {what}"
        if request.body is not None and response.status == request.status[0]:
            assert body == request.body, f"{len(body)} instead of {len(request.body)} bytes for {what}"
        self.answered += 1
        return not response.will_close

    def _pieces(self, response: http.client.HTTPResponse, is_slow: bool) -> Iterator[bytes]:
        while piece := response.read(self._chance.randrange(1, 100_000) if is_slow else 1 << 20):
            yield piece
            if is_slow:
                time.sleep(0.001)


@contextlib.contextmanager
def switching(seconds: float) -> Iterator[None]:
    """Let threads take the GIL from each other after `seconds`."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def run(server: InternalAPIServer, seed: str, connections: int) -> tuple[int, list[str]]:
    """Run all clients at once; return the number of responses, and each disagreement.

    Args:
        server: the server, with `PLUGIN`.
        seed: the same seed makes the same requests.
        connections: connections of each client, one after another.
    """
    found: list[str] = []

    def serve(number: int) -> None:
        client = clients[number]
        for count in range(connections):
            try:
                client.connection()
            except Exception as error:  # Of any kind: the other clients go on.
                found.append(f"seed {seed}, client {number}, connection {count}: {type(error).__name__}: {error}")

    clients = [Client(server, random.Random(f"{seed}/{number}")) for number in range(CLIENTS)]
    threads = [threading.Thread(target=serve, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(client.answered for client in clients), found


@contextlib.contextmanager
def serving(directory: Path, kind: str = "tcp") -> Iterator[InternalAPIServer]:
    """Yield a server with `PLUGIN`."""
    plugins = directory / "concurrent"
    plugins.mkdir()
    (plugins / "concurrent_api.py").write_text(PLUGIN)
    extra = {"internal_api_server_plugin_dirs": [str(plugins)]}
    with (
        make_manager(**server_values(kind, directory), extra_config=extra) as manager,
        InternalAPIServer(manager) as server,
    ):
        yield server
