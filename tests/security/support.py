"""Shared helpers of the security tests: real servers, raw requests, tokens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, NamedTuple

from flask.testing import FlaskClient

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.roles import Role
from lmcache_internal.security.token import Token, new_token
from lmcache_internal.security.token_file import write_tokens_file
from tests.support import connect, make_manager, server_values

PREFIX = "internal_api_server_"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


class RawResponse(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@contextlib.contextmanager
def serving(directory: Path, kind: str = "tcp", extra: dict[str, Any] | None = None, **values: Any) -> Iterator[Any]:
    """Run a server of one worker; `extra` are `internal_api_server_*` keys of `extra_config`."""
    settings = server_values(kind, directory) | values | {"extra_config": prefixed(extra or {})}
    with make_manager(**settings) as manager, InternalAPIServer(manager) as server:
        yield server


@contextlib.contextmanager
def app_with(**extra: Any) -> Iterator[InternalApp]:
    """Create an app with these `internal_api_server_*` keys in `extra_config`."""
    with make_manager(extra_config=prefixed(extra)) as manager:
        yield create_app(manager)


def prefixed(extra: dict[str, Any]) -> dict[str, Any]:
    return {PREFIX + name: value for name, value in extra.items()}


def raw(server: InternalAPIServer, request: str | bytes) -> RawResponse:
    """Send exactly these bytes on a new connection, and return the response."""
    data = request.encode("latin-1") if isinstance(request, str) else request
    with connect(server) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return parsed(received)


def parsed(received: bytes) -> RawResponse:
    head, _, body = received.partition(b"\r\n\r\n")
    status, _, headers = head.partition(b"\r\n")
    message = BytesHeaderParser().parsebytes(headers + b"\r\n\r\n")
    return RawResponse(int(status.split()[1]), {name.lower(): value for name, value in message.items()}, body)


def ask(server: InternalAPIServer, line: str, *headers: str, body: str = "") -> RawResponse:
    """Send the request `line` ("GET /conf") with these header lines. A Host header is added if it is missing."""
    if not any(header.lower().startswith("host:") for header in headers):
        headers = (f"Host: localhost:{server.port}", *headers)
    if body:
        headers = (*headers, f"Content-Length: {len(body)}")
    return raw(server, "\r\n".join([f"{line} HTTP/1.1", *headers, "Connection: close", "", body]))


def token_file(directory: Path, **roles: str) -> tuple[Path, dict[str, str]]:
    """Write a tokens file with one token for each name=role; return its path and the tokens by name."""
    texts: dict[str, str] = {}
    tokens: list[Token] = []
    for name, role in roles.items():
        texts[name], entry = new_token(name, Role.named(role))
        tokens.append(entry)
    path = directory / "tokens.yaml"
    write_tokens_file(path, tokens)
    return path, texts


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def audit_of(app: InternalApp | None) -> list[dict[str, Any]]:
    """Return the entries of the audit log as decoded JSON, oldest first."""
    assert app is not None
    entries: list[dict[str, Any]] = json.loads(json.dumps(list(app.state.gate.audit.recent)))
    return entries


def last_audit(client: FlaskClient) -> dict[str, Any]:
    app = client.application
    assert isinstance(app, InternalApp)
    return audit_of(app)[-1]
