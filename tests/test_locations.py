"""Hosts, paths and socket prefixes, as people write them."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.errors import ConfigError, ServerStartError
from lmcache_internal.settings import Settings
from lmcache_internal.settings.locations import bound_host
from tests.support import fetch, free_port, make_manager

PREFIX = "internal_api_server_"


def settings(**values: Any) -> Settings:
    extra = {f"{PREFIX}{name}": values.pop(name) for name in list(values) if name in ("audit_file", "plugin_dirs")}
    with make_manager(extra_config=extra, **{f"{PREFIX}{name}": value for name, value in values.items()}) as manager:
        return Settings.of(manager.config)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("*", "::"),
        ("::", "::"),
        ("[::]", "::"),
        ("0:0:0:0:0:0:0:0", "::"),
        ("0", "0.0.0.0"),
        ("0.0.0.0", "0.0.0.0"),
        ("[::1]", "::1"),
        ("127.1", "127.0.0.1"),
        (" localhost ", "localhost"),
        ("gpu-1.example", "gpu-1.example"),
        ("face", "face"),
        ("[::1", "[::1"),
        ("::1]", "::1]"),
    ],
)
def test_hosts(text: str, host: str) -> None:
    assert bound_host(text) == host
    assert settings(host=text).host == host


@pytest.mark.parametrize("host", ["*", "::", "[::]"])
def test_all_addresses_are_those_of_both_families(host: str) -> None:
    port = free_port() - 1
    values: dict[str, Any] = {f"{PREFIX}enabled": True, f"{PREFIX}host": host, f"{PREFIX}port_start": port}
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        for address in ("127.0.0.1", "::1"):
            # It is local, and so an admin, however the connection came in.
            assert status_of(address, server.port, b"GET /conf") == 200
            assert status_of(address, server.port, b"POST /conf", b"Origin: http://evil.example\r\n") == 403
        audited = json.loads(fetch(server, "/audit")[1])
        assert [entry["address"] for entry in audited] == ["127.0.0.1", "::1"]
        status, body = fetch(server, "/sd/prometheus", headers={"Host": f"localhost:{server.port}"})
        assert (status, b"*" in body, f"localhost:{server.port}".encode() in body) == (200, False, True)


def test_without_ipv6_all_addresses_are_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    values: dict[str, Any] = {
        f"{PREFIX}enabled": True,
        f"{PREFIX}host": "*",
        f"{PREFIX}port_start": free_port() - 1,
    }
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        assert status_of("127.0.0.1", server.port, b"GET /livez") == 200
        with pytest.raises(ConnectionRefusedError):
            status_of("::1", server.port, b"GET /livez")


@pytest.mark.parametrize("host", ["no-such-host", f"{'a' * 64}.example", "a..b"])
def test_a_host_that_cannot_be_resolved_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    def getaddrinfo(name: str, *_: Any, **__: Any) -> None:
        name.encode("idna")  # As the real one does; a label may be invalid.
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)  # A name server may be slow.
    values: dict[str, Any] = {f"{PREFIX}enabled": True, f"{PREFIX}host": host}
    with make_manager(**values) as manager:
        message = re.escape(f"internal_api_server_host '{host}' cannot be resolved: ")
        with pytest.raises(ServerStartError, match=message):
            InternalAPIServer(manager).start()


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.EADDRINUSE, "is in use by another process"),
        (errno.EACCES, "needs more rights than this process has"),
        (errno.EADDRNOTAVAIL, "Cannot assign requested address; check internal_api_server_host"),
    ],
)
def test_an_address_that_cannot_be_bound_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def bind(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket.socket, "bind", bind)
    values: dict[str, Any] = {f"{PREFIX}enabled": True}
    with make_manager(**values) as manager, pytest.raises(ServerStartError, match=message):
        InternalAPIServer(manager).start()


def status_of(address: str, port: int, request: bytes, headers: bytes = b"") -> int:
    with socket.create_connection((address, port), 5) as client:
        client.sendall(request + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + b"\r\n")
        return int(client.makefile("rb").readline().split()[1])


def test_paths_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("WHERE", "/mnt")
    assert settings(audit_file="~/audit").audit_file == Path("/home/me/audit")
    assert settings(plugin_dirs=["$WHERE/a", "/b"]).plugin_dirs == (Path("/mnt/a"), Path("/b"))
    assert settings(socket_path_prefix="~/lmcache").socket_path_prefix == "/home/me/lmcache"
    with pytest.raises(ConfigError, match=r"extra_config\.internal_api_server_audit_file: the variable NO_SUCH in"):
        settings(audit_file="/${NO_SUCH}/audit")
    with pytest.raises(ConfigError, match="there is no home directory for"):
        settings(audit_file="~nobody_of_this_name/audit")


@pytest.mark.parametrize("text", ["unix:///run/x", "unix:/run/x", "/run/x"])
def test_socket_prefixes(text: str) -> None:
    assert settings(socket_path_prefix=text).socket_path_prefix == "/run/x"


@pytest.mark.parametrize("text", ["@lmcache", "unix:@lmcache", "unix://@lmcache"])
def test_abstract_sockets_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"names an abstract socket, which every user could connect to"):
        settings(socket_path_prefix=text)
