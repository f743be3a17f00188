"""Without tokens, direct connections over loopback and the Unix socket of the same user have role admin."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from flask.testing import FlaskClient

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.errors import ConfigError
from lmcache_internal.security.caller import DIRECT_KEY, PEER_UID_KEY, PUBLIC_KEY, is_local
from tests.http_server import running
from tests.security.support import app_with, ask, audit_of, parsed, serving
from tests.support import fetch, make_manager, server_values

DIRECT = {DIRECT_KEY: True}
PROXIED = [
    "Forwarded: for=10.0.0.1",
    "Forwarded: for=127.0.0.1",
    "forwarded:",
    "X-Forwarded-For: 127.0.0.1",
    "x-forwarded-for: ::1",
    "X-Forwarded-For:",
    "X-FORWARDED-HOST: localhost",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Port: 443",
    "X-Forwarded-Whatever: x",
    "Via: 1.1 proxy",
    "X-Real-IP: 127.0.0.1",
    "X_Forwarded_For: 127.0.0.1\r\nX-Forwarded-For: 10.0.0.1",
    *(
        f"{name}: 127.0.0.1"
        for name in [
            "X-Forward-For",
            "XForwardedFor",
            "X-Auth-Request-User",
            "X-Remote-User",
            "Remote-Groups",
            "X-SSL-Client-Cert",
            "X-Scheme",
            "X-Rewrite-URL",
            "X-Host",
            "X-HTTP-Host-Override",
            "Front-End-Https",
            "Tailscale-User-Login",
            "X-Kong-Request-Id",
            "l5d-dst-override",
            "X-Goog-Authenticated-User-Email",
            "Ngrok-Trace-Id",
            "CF-Connecting-IP",
            "CF-Connecting-IPv6",
            "CF-Ray",
            "True-Client-IP",
            "X-Client-IP",
            "Fastly-Client-IP",
            "Fly-Client-IP",
            "X-Cluster-Client-IP",
            "X-Envoy-External-Address",
            "X-Envoy-Attempt-Count",
            "X-Original-Forwarded-For",
            "X-Original-URI",
            "X-Original-Host",
            "CDN-Loop",
            "X-Amzn-Trace-Id",
            "X-Amz-Cf-Id",
            "X-Cloud-Trace-Context",
            "X-Azure-ClientIP",
            "X-ARR-LOG-ID",
            "X-AppEngine-User-IP",
            "X-ProxyUser-Ip",
            "WL-Proxy-Client-IP",
            "Proxy-Connection",
            "X-Remote-IP",
            "X-Remote-Addr",
            "Client-IP",
            "X-Originating-IP",
            "X-Varnish",
            "Max-Forwards",
            "X-Vercel-Forwarded-For",
            "Akamai-Origin-Hop",
            "Remote-Addr",
        ]
    ),
]
DIRECT_CLIENTS = [
    "Accept",
    "Accept-Encoding",
    "Authorization",
    "Cache-Control",
    "Connection",
    "Content-Type",
    "Cookie",
    "If-Match",
    "If-None-Match",
    "Origin",
    "Referer",
    "Sec-Fetch-Site",
    "User-Agent",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Request-ID",
    "traceparent",
    "Range",
    "Pragma",
    "DNT",
    "X-B3-TraceId",
    "Sec-CH-UA-Platform",
    "Upgrade-Insecure-Requests",
    "Priority",
    "TE",
    "Date",
]


@pytest.fixture(scope="module", params=["tcp", "unix"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InternalAPIServer]:
    """A server for requests that change nothing."""
    with serving(tmp_path_factory.mktemp("shared"), request.param) as server:
        yield server


def test_direct_local_connection_has_role_admin(server: InternalAPIServer) -> None:
    assert ask(server, "GET /env").status == 200
    assert audit_of(server.app) == []
    assert ask(server, "PUT /freeze/disable").status == 200
    entry = audit_of(server.app)[-1]
    assert (entry["caller"], entry["level"]) == (f"uid {os.geteuid()}" if server.socket_path else "local", "admin")


@pytest.mark.parametrize("header", PROXIED)
def test_proxied_request_gets_only_public_routes(shared: InternalAPIServer, header: str) -> None:
    assert ask(shared, "GET /metrics", header).status == 200
    assert ask(shared, "GET /conf", header).status == 401
    assert ask(shared, "POST /run_script", header).status == 401


def test_client_headers_cannot_set_environ_keys(shared: InternalAPIServer) -> None:
    spoken = ("lmcache_internal.direct: yes", "Lmcache-Internal.Peer-Uid: 0", "Remote-Addr: 127.0.0.1")
    assert ask(shared, "GET /conf", "Via: 1.1 x", *spoken).status in (400, 401)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),  # The address of 127.0.0.1 on a server that is bound to `::`.
        ("::ffff:10.0.0.1", False),
        ("::127.0.0.1", False),
        ("::ffff:0:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("128.0.0.1", False),
        ("localhost", False),
        ("127.0.0.1, 10.0.0.1", False),
        ("127.1", False),
        ("0177.0.0.1", False),
        ("", False),
    ],
)
def test_loopback_addresses(address: str, local: bool) -> None:
    assert is_local(DIRECT | {"REMOTE_ADDR": address}) is local
    assert not is_local({"REMOTE_ADDR": address})
    assert is_local({"REMOTE_ADDR": address}, trust_loopback=True) is local
    assert not is_local(DIRECT | {"REMOTE_ADDR": address, PUBLIC_KEY: True})
    assert not is_local(DIRECT | {"REMOTE_ADDR": address, "HTTP_FORWARDED": ""})


def test_headers_of_direct_clients_are_not_proxy_headers() -> None:
    environ = {f"HTTP_{name.upper().replace('-', '_')}": "x" for name in DIRECT_CLIENTS}
    assert is_local(DIRECT | environ | {"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "1", "SERVER_ADDR": "127.0.0.1"})


def test_remote_client_gets_only_public_routes(client: FlaskClient) -> None:
    elsewhere = {"REMOTE_ADDR": "10.0.0.1"}
    assert client.get("/metrics", environ_base=elsewhere).status_code == 200
    refused = client.get("/conf", environ_base=elsewhere)
    assert refused.status_code == 401
    assert "internal_api_server_tokens_file" in refused.get_json()["message"]


def test_loopback_is_not_trusted_behind_another_wsgi_server(client: FlaskClient) -> None:
    del client.environ_base[DIRECT_KEY]
    assert client.get("/metrics").status_code == 200
    assert client.get("/conf").status_code == 401
    assert client.get("/conf", environ_base={PEER_UID_KEY: 0}).status_code == 401


def test_trust_loopback_admits_loopback_behind_another_wsgi_server() -> None:
    with app_with(trust_loopback=True) as app:
        client = app.test_client()
        del client.environ_base[DIRECT_KEY]
        assert client.get("/env").status_code == 200
        assert client.get("/env", environ_base={"REMOTE_ADDR": "10.0.0.1"}).status_code == 401
        assert client.get("/env", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 401
        # The browser of the operator is also on loopback, so the Host header must be a name of the server.
        assert client.get("/env", headers={"Host": "evil.example:8000"}).status_code == 403


@pytest.mark.parametrize(
    ("trusts", "is_direct", "hint"),
    [
        (False, True, "only direct connections over loopback or the Unix socket have access"),
        (True, False, "only direct connections over loopback or the Unix socket have access"),
        (False, False, "you can instead admit loopback (extra_config.internal_api_server_trust_loopback: true)"),
    ],
)
def test_a_refusal_says_how_to_get_access(trusts: bool, is_direct: bool, hint: str) -> None:
    with app_with(trust_loopback=trusts) as app:
        client = app.test_client()
        if not is_direct:
            del client.environ_base[DIRECT_KEY]
        refused = client.get("/env", environ_base={"REMOTE_ADDR": "10.0.0.1"})
    assert refused.status_code == 401
    assert hint in refused.get_json()["message"]


@pytest.mark.parametrize("value", [False, None])
def test_trust_loopback_is_off_by_default(value: object) -> None:
    with app_with(trust_loopback=value) as app:
        client = app.test_client()
        del client.environ_base[DIRECT_KEY]
        assert client.get("/env").status_code == 401


@pytest.mark.parametrize("value", ["true", 1, "yes"])
def test_trust_loopback_accepts_only_a_boolean(value: object) -> None:
    with pytest.raises(ConfigError, match="trust_loopback: expected true or false"), app_with(trust_loopback=value):
        pass


def test_loopback_is_not_trusted_under_a_real_wsgi_server() -> None:
    class Quiet(WSGIRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with make_manager() as manager:
        other = make_server("127.0.0.1", 0, create_app(manager), handler_class=Quiet)
        with running(other):
            statuses = [_get(other.server_port, path) for path in ("/metrics", "/conf", "/env")]
    assert statuses == [200, 401, 401]


def _get(port: int, path: str) -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return parsed(received).status


NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(f"GET {sys.argv[2]} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n".encode())
    while chunk := connection.recv(65536):
        sys.stdout.buffer.write(chunk)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become another user")
def test_other_user_on_the_unix_socket_gets_only_public_routes() -> None:
    # The permissions of the socket are wrong, but the kernel still reports the user of the peer. The socket is in /tmp,
    # because other users cannot open the directories of pytest.
    with tempfile.TemporaryDirectory() as name, serving(Path(name), "unix") as server:
        for opened in (Path(name), Path(server.socket_path).parent, Path(server.socket_path)):
            opened.chmod(0o777)
        responses = {}
        for path in ("/metrics", "/conf", "/env"):
            command = [sys.executable, "-I", "-c", NOBODY, server.socket_path, path]
            responses[path] = parsed(subprocess.run(command, capture_output=True, check=True, timeout=20).stdout)
        assert [response.status for response in responses.values()] == [200, 403, 403]
        assert b"this caller (uid 65534) has role public" in responses["/conf"].body
        assert audit_of(server.app)[-1]["caller"] == "uid 65534"
        assert fetch(server, "/conf")[0] == 200


def own_address() -> str | None:
    """Return an address of this machine other than loopback, or None. No packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
        return None if address.startswith("127.") else address


def test_public_bind_logs_how_to_give_access(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    with serving(tmp_path, internal_api_server_host="0.0.0.0") as server:
        (message,) = [record.getMessage() for record in caplog.records if record.name == "lmcache_internal.server"]
        assert f"http://0.0.0.0:{server.port} can be reached from other machines" in message
        assert "only public routes" in message
        assert "extra_config.internal_api_server_tokens_file" in message
        assert fetch(server, "/env")[0] == 200
        address = own_address()
        if address is None:
            pytest.skip("this machine has no address but loopback")
        with socket.create_connection((address, server.port), timeout=10) as connection:
            connection.sendall(f"GET /conf HTTP/1.0\r\nHost: {address}:{server.port}\r\n\r\n".encode())
            assert parsed(connection.recv(65536)).status == 401


def test_server_on_all_ipv6_addresses_trusts_ipv4_loopback(tmp_path: Path) -> None:
    with serving(tmp_path, internal_api_server_host="::") as server:
        assert ask(server, "GET /env").status == 200


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_private_bind_logs_no_warning(tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with make_manager(**server_values(kind, tmp_path)) as manager, InternalAPIServer(manager):
        assert "can be reached from other machines" not in caplog.text
