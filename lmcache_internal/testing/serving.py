"""Runs a server on a free port or a new Unix socket, and creates clients for it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from werkzeug.test import Client
from werkzeug.urls import iri_to_uri
from werkzeug.wrappers import Request

from ..engine.protocols import Manager
from ..server import InternalAPIServer
from ..settings.address import index_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

TIMEOUT = 60.0
"""Timeout of a response in seconds: longer than every timeout of the server."""

_HOP_BY_HOP = frozenset({"connection", "transfer-encoding"})


@contextmanager
def serving(manager: Manager, transport: Literal["tcp", "unix"]) -> Iterator[InternalAPIServer]:
    """Serve `manager` on a free loopback port, or on a Unix socket in a new directory."""
    with ExitStack() as stack:
        port = stack.enter_context(reserved_port())
        prefix = f"{stack.enter_context(TemporaryDirectory())}/internal_api" if transport == "unix" else None
        config = manager.config
        config.internal_api_server_enabled = True
        config.internal_api_server_include_index_list = None
        config.internal_api_server_port_start = port - index_of(manager)
        config.internal_api_server_socket_path_prefix = prefix
        yield stack.enter_context(InternalAPIServer(manager))


@contextmanager
def reserved_port() -> Iterator[int]:
    """Yield a loopback port that no other process gets until the end of the context."""
    with socket.socket() as holder:
        # Bound but not listening: the kernel does not assign the port, but a server with SO_REUSEADDR can listen on it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


def client_of(server: InternalAPIServer) -> Client:
    """Return a client with the methods of Flask's test client that sends requests to the server's port or socket."""
    return Client(partial(_forward, server), use_cookies=False)


def connect(server: InternalAPIServer, timeout: float = TIMEOUT) -> socket.socket:
    """Return a connection to a running server; `timeout` in seconds."""
    if not server.socket_path:
        return socket.create_connection((server.address.host, server.port), timeout)
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout)
    try:
        connection.connect(server.socket_path)
    except OSError:
        connection.close()
        raise
    return connection


def _forward(server: InternalAPIServer, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Forward a WSGI request to the server."""
    request = Request(environ)
    target = "/" + iri_to_uri(request.url).removeprefix(request.host_url)
    with closing(http.client.HTTPConnection(request.host)) as connection:
        connection.sock = connect(server)
        connection.request(request.method, target, request.get_data(), dict(request.headers))
        response = connection.getresponse()
        headers = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP]
        start_response(f"{response.status} {response.reason}", headers)
        return [response.read()]
