"""Routes that take many tokens or keys accept 8 MiB, all others 1 MiB; the memory of all bodies is limited."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.api import Role, operation
from lmcache_internal.engine.mp.config import MPConfig
from lmcache_internal.settings import LARGE_BODY_BYTES, MAX_BODY_BYTES, PUBLIC_BODY_BYTES
from tests.mp_support import MODEL, mp_manager
from tests.support import free_port

KEYS = [
    {
        "chunk_hash_hex": f"{number:064x}",
        "model_name": "m" * 200,
        "kv_rank": 0,
        "object_group_id": 0,
        "cache_salt": "s" * 128,
    }
    for number in range(10_000)
]
PREFETCH = {"model_name": MODEL, "world_size": 1, "token_ids": [100_000] * 1_000_000}
"""The most that LMCache's coordinator sends in one request."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InternalAPIServer]:
    config = MPConfig("127.0.0.1", free_port())
    with mp_manager(tmp_path_factory.mktemp("l2"), config) as manager, InternalAPIServer(manager) as running:
        yield running


def connected(server: InternalAPIServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.address.port), timeout=30)


def head(line: str, framing: str, *more: str) -> bytes:
    lines = [f"{line} HTTP/1.1", "Host: localhost", "Content-Type: application/json", framing, *more, "", ""]
    return "\r\n".join(lines).encode()


def response_on(client: socket.socket) -> tuple[int, dict[str, Any]]:
    with client.makefile("rb") as stream:
        status = int(stream.readline().split()[1])
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return status, json.loads(stream.read(length))


def ask(server: InternalAPIServer, line: str, body: bytes, *, chunked: bool = False) -> tuple[int, dict[str, Any]]:
    with connected(server) as client, contextlib.suppress(ConnectionError):
        if chunked:
            pieces = [body[at : at + 100_000] for at in range(0, len(body), 100_000)]
            client.sendall(head(line, "Transfer-Encoding: chunked"))
            for piece in [*pieces, b""]:
                with contextlib.suppress(ConnectionError):
                    client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
        else:
            client.sendall(head(line, f"Content-Length: {len(body)}"))
            with contextlib.suppress(ConnectionError):
                client.sendall(body)
        return response_on(client)
    raise AssertionError("the connection was reset without a response")


def padded(body: object, size: int) -> bytes:
    return json.dumps(body).encode().ljust(size)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("line", "body", "status"),
    [
        ("DELETE /cache/objects", {"keys": KEYS}, 200),
        ("POST /cache/prefetches", PREFETCH | {"model_name": "unknown"}, 503),
    ],
)
def test_what_the_coordinator_sends_is_taken(
    server: InternalAPIServer, line: str, body: dict[str, Any], status: int, chunked: bool
) -> None:
    assert MAX_BODY_BYTES < len(json.dumps(body)) <= LARGE_BODY_BYTES
    found, content = ask(server, line, padded(body, LARGE_BODY_BYTES), chunked=chunked)
    assert found == status, content
    if status == 503:  # The tokens were read, and there is no such worker.
        assert "model_name='unknown'" in content["message"]


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("DELETE /cache/objects", LARGE_BODY_BYTES),
        ("POST /cache/prefetches", LARGE_BODY_BYTES),
        ("POST /cache/clear", MAX_BODY_BYTES),
        ("GET /livez", PUBLIC_BODY_BYTES),
    ],
)
def test_larger_bodies_are_refused_with_the_limit_of_the_route(
    server: InternalAPIServer, line: str, limit: int, chunked: bool
) -> None:
    status, content = ask(server, line, padded({}, limit + 1), chunked=chunked)
    assert status == 413
    assert str(limit) in content["message"]


def test_a_caller_who_may_not_call_the_route_sends_no_body(server: InternalAPIServer) -> None:
    with connected(server) as client:
        client.sendall(head("POST /cache/prefetches", f"Content-Length: {LARGE_BODY_BYTES}", "Via: 1.1 proxy"))
        assert response_on(client)[0] == 401


def test_the_memory_of_all_large_bodies_is_limited(server: InternalAPIServer) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connected(server)) for _ in range(8)]
        for client in clients:
            client.sendall(
                head("POST /cache/prefetches", f"Content-Length: {LARGE_BODY_BYTES}", "Expect: 100-continue")
            )
        first = [client.recv(12) for client in clients]
        assert sorted(first) == [b"HTTP/1.1 100"] * 4 + [b"HTTP/1.1 503"] * 4


@pytest.mark.parametrize(("path", "limit"), [("/cache/objects", LARGE_BODY_BYTES), ("/quota/x", MAX_BODY_BYTES)])
def test_the_limits_are_those_of_the_app_too(tmp_path: Path, path: str, limit: int) -> None:
    with mp_manager(tmp_path) as manager:
        client = create_app(manager).test_client()
        method = "DELETE" if path == "/cache/objects" else "PUT"
        assert client.open(path, method=method, data=padded({}, limit)).status_code == 400
        assert client.open(path, method=method, data=padded({}, limit + 1)).status_code == 413


def test_a_public_endpoint_cannot_take_a_large_body() -> None:
    router = Blueprint("large", __name__)
    with pytest.raises(TypeError, match=r"large_body=True with access=Role\.PUBLIC"):

        @router.post("/large")
        @operation(action="take much", access=Role.PUBLIC, large_body=True)
        def large() -> dict[str, str]:
            return {}
