"""An HTTP client that sends any bytes, and takes nothing for an answer that HTTP does not allow."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import NamedTuple

import h11

from lmcache_internal import InternalAPIServer
from tests.support import connect

PATIENCE = 60.0
"""Seconds of silence that count as no answer. A test waits that long only if it fails."""


class Answer(NamedTuple):
    """One answer; `headers` has lower-case names."""

    status: int
    headers: dict[str, str]
    body: bytes


class Conversation:
    """What one connection sends and receives.

    Args:
        connection: an open socket; the conversation does not close it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""
        self._closed = False
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, *packets: bytes, pause: float = 0.0) -> None:
        """Send packet by packet, `pause` seconds apart; stop where the server has closed."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for packet in packets:
                self._connection.sendall(packet)
                time.sleep(pause)

    def end(self) -> None:
        """Send nothing more."""
        with contextlib.suppress(OSError):  # The server has closed already.
            self._connection.shutdown(socket.SHUT_WR)

    def next(self, method: str = "GET", patience: float = PATIENCE) -> Answer:
        """The next answer, be it a 1xx, to a request of this method.

        Raises:
            TimeoutError: no complete answer within `patience` seconds.
            h11.RemoteProtocolError: what came is no HTTP, or ends too early.
        """
        until = time.monotonic() + patience
        while (found := take(self._received, method, self._closed)) is None:
            self._receive(until)
        answer, self._received = found
        return answer

    def rest(self, methods: Iterable[str] = (), patience: float = PATIENCE) -> list[Answer]:
        """All answers until the server closes; `methods` are those of the requests, GET where they end.

        Raises:
            TimeoutError: it does not close within `patience` seconds.
            h11.RemoteProtocolError: what came is no HTTP, or ends too early.
        """
        return split(self.received(patience), methods)

    def received(self, patience: float = PATIENCE) -> bytes:
        """All that the server has sent when it closes.

        Raises:
            TimeoutError: it does not close within `patience` seconds.
        """
        until = time.monotonic() + patience
        while not self._closed:
            self._receive(until)
        return self._received

    @property
    def so_far(self) -> bytes:
        """What the server has sent, and nobody has taken yet."""
        return self._received

    def _receive(self, until: float) -> None:
        self._connection.settimeout(max(0.001, until - time.monotonic()))
        try:
            piece = self._connection.recv(1 << 16)
        except TimeoutError:
            raise TimeoutError(f"silence after {self._received!r}") from None
        self._received += piece
        self._closed = not piece


@contextlib.contextmanager
def talking(server: InternalAPIServer) -> Iterator[Conversation]:
    """A conversation on a new connection."""
    with connect(server) as connection:
        yield Conversation(connection)


def converse(server: InternalAPIServer, *packets: bytes, methods: Sequence[str] = ()) -> list[Answer]:
    """The answers to `packets` on a connection of their own, which the server must close."""
    with talking(server) as conversation:
        conversation.send(*packets)
        return conversation.rest(methods)


def split(received: bytes, methods: Iterable[str] = ()) -> list[Answer]:
    """The answers in all that a connection has received until it was closed.

    Raises:
        h11.RemoteProtocolError: there is something else, or the last one is cut short.
    """
    answers = []
    asked = chain(methods, repeat("GET"))
    method = next(asked)
    while received:
        found = take(received, method, closed=True)
        assert found is not None
        answer, received = found
        answers.append(answer)
        assert not (received and answer.headers.get("connection") == "close"), f"after the last answer: {received!r}"
        method = method if answer.status < 200 else next(asked)
    return answers


def statuses(answers: Iterable[Answer]) -> list[int]:
    """Their status codes."""
    return [answer.status for answer in answers]


def take(received: bytes, method: str, closed: bool) -> tuple[Answer, bytes] | None:
    """The first answer and what comes after it; None if more must be received."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "localhost")]))
    client.send(h11.EndOfMessage())
    if received:
        client.receive_data(received)
    if closed:
        client.receive_data(b"")
    head: h11.Response | h11.InformationalResponse | None = None
    body = b""
    while True:
        event = client.next_event()
        if isinstance(event, h11.InformationalResponse):
            return Answer(event.status_code, _headers(event), b""), client.trailing_data[0]
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return Answer(head.status_code, _headers(head), body), client.trailing_data[0]
        else:
            return None


def _headers(event: h11.Response | h11.InformationalResponse) -> dict[str, str]:
    return {name.decode(): value.decode("latin-1") for name, value in event.headers}
