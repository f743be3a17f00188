"""The public listener serves only public routes, to every client and with any token."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.errors import ConfigError, ServerStartError
from tests.security.support import RawResponse, audit_of, parsed, prefixed, serving, token_file
from tests.security.test_access import REQUIRED_ROLES, path_of
from tests.support import accepts, fetch, free_port, make_manager, server_values


class Public:
    def __init__(self, server: InternalAPIServer, port: int) -> None:
        self.server = server
        self.port = port

    def ask(self, line: str, *headers: str) -> RawResponse:
        request = "\r\n".join(
            [f"{line} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers, "Connection: close", "\r\n"]
        )
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request.encode())
            received = b""
            while chunk := connection.recv(65536):
                received += chunk
        return parsed(received)


@pytest.fixture(params=["tcp", "unix"])
def public(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Public]:
    port = free_port()
    with serving(tmp_path, request.param, {"public_port_start": port - 1}) as server:
        yield Public(server, port)


def test_public_listener_serves_only_public_routes_over_loopback(public: Public) -> None:
    for (method, rule), role in REQUIRED_ROLES.items():
        status = public.ask(f"{method} {path_of(rule)}").status
        assert (status != 401) == (role == "public"), rule
    assert fetch(public.server, "/env")[0] == 200


def test_public_listener_refuses_a_write_by_get(public: Public) -> None:
    assert public.ask("GET /loglevel?logger_name=x&level=DEBUG").status == 401


def test_public_listener_accepts_any_host_header(public: Public) -> None:
    for path, status in ("/metrics", 200), ("/livez", 200), ("/conf", 401), ("/audit", 401):
        request = f"GET {path} HTTP/1.0\r\nHost: lmcache.pods.example\r\n\r\n".encode()
        with socket.create_connection(("127.0.0.1", public.port), timeout=10) as connection:
            connection.sendall(request)
            assert parsed(connection.recv(65536)).status == status, path


def test_public_listener_ignores_tokens(tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, boss="admin")
    port = free_port()
    with serving(tmp_path, extra={"public_port_start": port - 1, "tokens_file": str(path)}) as server:
        public = Public(server, port)
        header = f"Authorization: Bearer {tokens['boss']}"
        assert public.ask("GET /conf", header).status == 401
        assert public.ask("GET /metrics", header).status == 200
        # The response does not show whether a token is valid.
        assert public.ask("GET /metrics", "Authorization: Bearer wrong").status == 200
        assert audit_of(server.app)[-1]["caller"] == "anonymous"


def test_public_listener_ignores_trust_loopback(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, extra={"public_port_start": port - 1, "trust_loopback": True}) as server:
        assert Public(server, port).ask("GET /conf").status == 401


def test_stop_closes_both_listeners(tmp_path: Path) -> None:
    port = free_port()
    with serving(tmp_path, extra={"public_port_start": port - 1}) as server:
        assert accepts(port)
        server.stop()
        assert not accepts(port)
        assert not accepts(server.port)


def test_start_fails_completely_if_the_public_port_is_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        values = server_values("tcp", tmp_path) | {"extra_config": prefixed({"public_port_start": port - 1})}
        with make_manager(**values) as manager:
            server = InternalAPIServer(manager)
            with pytest.raises(ServerStartError, match=f"Port {port}"):
                server.start()
            assert not accepts(server.port)


@pytest.mark.parametrize("port", ["8000", 65535, -5, True, 1.5])
def test_invalid_public_port_is_a_config_error(tmp_path: Path, port: Any) -> None:
    values = server_values("tcp", tmp_path) | {"extra_config": prefixed({"public_port_start": port})}
    with make_manager(**values) as manager, pytest.raises(ConfigError, match="public_port_start"):
        InternalAPIServer(manager)
