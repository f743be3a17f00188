"""Requests with bodies, for the tests of refused bodies and of the body limit."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Iterator

from tests.faults.host import Answer, Host, answer_on

BODY = b'{"min_retrieve_tokens": 1}'.ljust(1_000_000)
HALF = BODY[: len(BODY) // 2]


def head(line: str, *headers: str, length: int | None = len(BODY)) -> bytes:
    """Return the head of a request with a JSON body of `length` bytes, or with a chunked body if `length` is None."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"{line} HTTP/1.1", *headers, "Content-Type: application/json", framing, "", ""]
    if not any(header.startswith("Host:") for header in headers):
        lines.insert(1, "Host: localhost")
    return "\r\n".join(lines).encode()


def chunk(data: bytes) -> bytes:
    """Return `data` as a chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


@contextlib.contextmanager
def half_sent(host: Host, request_head: bytes, count: int, port: int | None = None) -> Iterator[list[socket.socket]]:
    """Yield that many clients that have sent a head and half of a body."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(host.connect(port=port)) for _ in range(count)]
        for client in clients:
            with contextlib.suppress(ConnectionError):  # The server may have refused it already.
                client.sendall(request_head + HALF)
        yield clients


def answers(clients: list[socket.socket], seconds: float) -> dict[socket.socket, Answer]:
    """Return the responses of all clients, or those that are received until none arrives for `seconds`."""
    found: dict[socket.socket, Answer] = {}
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ, client)
        while len(found) < len(clients) and (ready := selector.select(seconds)):
            for key, _ in ready:
                selector.unregister(key.data)
                found[key.data] = answer_on(key.data)
    return found
