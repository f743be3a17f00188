"""A transport of httpx for a server on a pod's loopback interface.

Each connection is a WebSocket to the Kubernetes API, which forwards its data to the pod. Protocol v4.channel.k8s.io:
each message begins with the number of a channel, 0 for data and 1 for errors, and the first message of each channel is
the port, two bytes, little-endian.
"""

from __future__ import annotations

import contextlib
import select
import struct
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import httpcore

from ..text import one_line
from ..transport import BackendTransport
from .kubeconfig import cluster_of
from .names import PodName

if TYPE_CHECKING:
    import websocket

_DATA, _ERROR = 0, 1
_PIECE = 32 << 10  # The kubelet refuses messages above 32 MiB; its own have at most 32 KiB.
_CLOSING_SECONDS = 1.0


class PodTransport(BackendTransport):
    """A transport of httpx that connects to a port of a pod, whatever the host of the URL."""

    def __init__(self, pod: PodName, port: int) -> None:
        super().__init__(_PodBackend(pod, port))


class _PodBackend(httpcore.NetworkBackend):
    def __init__(self, pod: PodName, port: int) -> None:
        self._pod = pod
        self._port = port

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002  # Of the URL: it is always the pod's loopback address.
        port: int,  # noqa: ARG002
        timeout: float | None = None,
        local_address: str | None = None,  # noqa: ARG002
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        cluster = cluster_of(self._pod.context)
        return _Stream(cluster.open(self._pod, self._port, timeout or 60), self._port)


class _Stream(httpcore.NetworkStream):
    """The bytes of one forwarded connection."""

    def __init__(self, socket: websocket.WebSocket, port: int) -> None:
        self._socket = socket
        self._port = port
        self._announced: set[int] = set()
        self._received = False
        self._data = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        ends = time.monotonic() + (timeout or 60)
        while not self._data:
            message = self._message(ends)
            if message is None:
                return b""
            self._take(message)
        data, self._data = self._data[:max_bytes], self._data[max_bytes:]
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        from websocket import ABNF

        with _as_network_errors(httpcore.WriteTimeout, httpcore.WriteError):
            self._socket.settimeout(timeout)
            for start in range(0, len(buffer), _PIECE):
                self._socket.send(bytes([_DATA]) + buffer[start : start + _PIECE], opcode=ABNF.OPCODE_BINARY)

    def close(self) -> None:
        with contextlib.suppress(Exception):  # The connection may be broken in any way; it is closed all the same.
            self._socket.settimeout(_CLOSING_SECONDS)
            self._socket.send_close()
        self._socket.shutdown()

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return None
        # Only an idle connection is asked: if something arrives then, it is the end of the connection.
        poll = select.poll()
        poll.register(self._socket.sock, select.POLLIN)
        return bool(self._data or poll.poll(0))

    def _message(self, ends: float) -> bytes | None:
        """Return the next message that has content, or None at the end of the connection."""
        from websocket import ABNF, WebSocketConnectionClosedException

        with _as_network_errors(httpcore.ReadTimeout, httpcore.ReadError):
            while True:
                self._socket.settimeout(max(0.001, ends - time.monotonic()))
                try:
                    kind, frame = self._socket.recv_data_frame(True)
                except WebSocketConnectionClosedException:
                    return None
                if kind == ABNF.OPCODE_CLOSE:
                    return None
                if kind == ABNF.OPCODE_TEXT:
                    raise httpcore.RemoteProtocolError("the Kubernetes API sent text instead of binary data")
                if kind == ABNF.OPCODE_BINARY and frame.data:
                    return bytes(frame.data)
                if time.monotonic() > ends:
                    raise httpcore.ReadTimeout

    def _take(self, message: bytes) -> None:
        channel, content = message[0], message[1:]
        if channel not in (_DATA, _ERROR):
            raise httpcore.RemoteProtocolError(f"the Kubernetes API sent data on channel {channel}")
        if channel not in self._announced:
            if content != struct.pack("<H", self._port):
                raise httpcore.RemoteProtocolError(f"the Kubernetes API did not confirm port {self._port}")
            self._announced.add(channel)
        elif channel == _DATA:
            self._data, self._received = content, True
        else:
            raise self._failed(one_line(content.decode("utf-8", "replace"), 500))

    def _failed(self, text: str) -> Exception:
        if "connection refused" in text.lower() and not self._received:
            return httpcore.ConnectError(f"nothing listens on port {self._port} of the pod's loopback interface")
        return httpcore.ReadError(text)


@contextlib.contextmanager
def _as_network_errors(timeout: type[Exception], other: type[Exception]) -> Iterator[None]:
    """Raise the exceptions of httpcore instead of those of the WebSocket library."""
    from websocket import WebSocketException, WebSocketTimeoutException

    try:
        yield
    except (WebSocketTimeoutException, TimeoutError) as error:
        raise timeout(str(error)) from error
    except (WebSocketException, OSError, ValueError) as error:
        raise other(one_line(f"{type(error).__name__}: {error}", 500)) from error
