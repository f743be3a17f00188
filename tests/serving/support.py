"""The server for the wire tests, and requests that it must answer."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, connection
from tests.support import make_manager, server_values
from tests.wire import Answer

PLUGINS = Path(__file__).parent / "plugins"

INLINE = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request that the event loop serves."""
POOL = b"GET /echo?n=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request that a worker thread serves."""
LAST = b"GET /echo?last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /echo?smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Hold:
    """While it is the app's `state.hold`, requests to `/slow` wait until it is released, and are counted."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.released = threading.Event()


@contextlib.contextmanager
def holding(server: InternalAPIServer) -> Iterator[Hold]:
    """Yield the `Hold` of a server; release it in the end."""
    assert server.app is not None
    state = server.app.state
    state.hold = Hold()
    try:
        yield state.hold
    finally:
        state.hold.released.set()
        del state.hold


@contextlib.contextmanager
def serving(directory: Path, kind: str = "tcp", **extra: Any) -> Iterator[InternalAPIServer]:
    """Yield a server with a worker's engine and the views of `plugins`; `extra` goes into `extra_config`."""
    extra = {"internal_api_server_plugin_dirs": [str(PLUGINS)], **extra}
    values = server_values(kind, directory) | {"extra_config": extra}
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        yield server


def unread_connections(monkeypatch: pytest.MonkeyPatch) -> list[connection.Channel]:
    """Let clients of new connections read nothing; return the list of these connections, which grows."""
    made: list[connection.Channel] = []

    class Channel(connection.Channel):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            made.append(self)

        def send(self, *_: Any, **__: Any) -> int:
            """Send nothing."""
            return 0

    monkeypatch.setattr(acceptor, "Channel", Channel)
    return made


def get(target: bytes, *headers: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    """Return a GET request with a Host."""
    return request(b"GET " + target + b" " + version, b"Host: localhost", *headers)


def post(*headers: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    """Return a POST request to /echo with a Host. Only `headers` can state the length of `body`."""
    return request(b"POST /echo " + version, b"Host: localhost", *headers) + body


def request(line: bytes, *headers: bytes) -> bytes:
    """Return a request head."""
    return b"\r\n".join([line, *headers, b"", b""])


def echoed(answer: Answer) -> dict[str, Any]:
    """Return the request that /echo received."""
    body: dict[str, Any] = json.loads(answer.body)
    return body
