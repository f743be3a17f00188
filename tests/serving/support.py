"""The server for the wire tests, and requests that it must answer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lmcache_internal import InternalAPIServer
from tests.support import make_manager, server_values
from tests.wire import Answer

PLUGINS = Path(__file__).parent / "plugins"

INLINE = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request that the event loop serves."""
POOL = b"GET /echo?n=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
"""A request that a worker thread serves."""
LAST = b"GET /echo?last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /echo?smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.contextmanager
def serving(directory: Path, kind: str = "tcp", **extra: Any) -> Iterator[InternalAPIServer]:
    """Yield a server with a worker's engine and the views of `plugins`; `extra` goes into `extra_config`."""
    extra = {"internal_api_server_plugin_dirs": [str(PLUGINS)], **extra}
    values = server_values(kind, directory) | {"extra_config": extra}
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        yield server


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
