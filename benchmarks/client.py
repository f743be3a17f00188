"""An HTTP client on a raw socket, so that its own cost is small."""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from time import perf_counter, sleep

Address = tuple[str, int] | str
"""Host and port, or the path of a Unix socket."""

TIMEOUT_SECONDS = 60
_RETRY_SECONDS = 0.0005
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


def get(path: str, headers: str = "") -> bytes:
    """Return a GET request; each header ends with CR LF."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode()


def post_script(source: str) -> bytes:
    """Return a request that runs a script."""
    head = 'Content-Disposition: form-data; name="script"; filename="s.py"'
    body = f"--b\r\n{head}\r\n\r\n{source}\r\n--b--\r\n"
    kind = "Content-Type: multipart/form-data; boundary=b"
    return (
        f"POST /run_script HTTP/1.1\r\nHost: localhost\r\n{kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    )


class Client:
    """A connection with one request at a time.

    Args:
        address: the server's address.
        request: the bytes to send.

    Attributes:
        started: when the request was sent, by `perf_counter`.
        status: the status of the last response.
    """

    def __init__(self, address: Address, request: bytes) -> None:
        self._address = address
        self._request = request
        self._buffer = bytearray(1 << 18)
        self._missing = 0
        self._socket = connect(address)
        self.started = 0.0
        self.status = 0

    def fileno(self) -> int:
        """Return the descriptor, for epoll."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self) -> None:
        """Send the request."""
        self.started = perf_counter()
        self._socket.sendall(self._request)

    def reconnect(self) -> None:
        """Close the connection, and send the request on a new one; `started` is before it is made."""
        self._socket.close()
        self.started = perf_counter()
        self._socket = connect(self._address)
        self._socket.sendall(self._request)

    def receive(self) -> bool:
        """Receive once; return whether the response is complete.

        Raises:
            ConnectionError: the server has closed the connection.
        """
        count = self._socket.recv_into(self._buffer)
        if not count:
            raise ConnectionError(f"{self._address} hung up in the middle of an answer")
        self._missing = (self._missing or self._length(count)) - count
        return not self._missing

    def ask(self) -> None:
        """Send the request, and receive the complete response."""
        self.send()
        self.finish()

    def finish(self) -> None:
        """Receive the rest of the response."""
        while not self.receive():
            pass

    def _length(self, received: int) -> int:
        end = self._buffer.find(b"\r\n\r\n", 0, received)  # Both servers send the head at once.
        length = _LENGTH.search(self._buffer, 0, end + 2)
        if length is None:
            raise ValueError(f"an answer without Content-Length: {bytes(self._buffer[:received])!r}")
        self.status = int(self._buffer[9:12])
        return end + 4 + int(length[1])


def first_answer(address: Address, path: str) -> None:
    """Send requests until a server that is starting responds with 200."""
    deadline = perf_counter() + TIMEOUT_SECONDS
    while perf_counter() < deadline:
        with contextlib.suppress(OSError), contextlib.closing(Client(address, get(path))) as client:
            client.ask()
            if client.status == 200:
                return
        sleep(_RETRY_SECONDS)
    raise TimeoutError(f"{address} does not answer")


def connect(address: Address) -> socket.socket:
    """Return a connection with a timeout of `TIMEOUT_SECONDS` for each call."""
    made = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    try:
        # The kernel's timeout: Python's own needs a poll() before each call.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            made.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", TIMEOUT_SECONDS, 0))
        made.connect(address)
        if made.family == socket.AF_INET:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        made.close()
        raise
    return made
