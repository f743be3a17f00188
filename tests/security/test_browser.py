"""CSRF and DNS-rebinding protection: no page of another site reaches the server through an operator's browser."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.errors import Forbidden
from lmcache_internal.security.browser import check_host
from lmcache_internal.settings.address import ADDRESS_KEY, Address
from tests.mp_support import mp_manager
from tests.security.support import BROWSER, app_with, ask, audit_of, raw, serving
from tests.support import make_manager, upload

EVIL = "http://evil.example"
MULTIPART = upload(b"result = app.state.owned = 1")[0].decode()
AS_MULTIPART = "Content-Type: multipart/form-data; boundary=b"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InternalAPIServer]:
    with serving(tmp_path_factory.mktemp("browser"), extra={"allowed_hosts": ["engine.corp.example"]}) as server:
        yield server


FOREIGN = [
    "evil.example",
    "evil.example:{port}",
    "evil.example.:{port}",
    "localhost.evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "evil-localhost:{port}",
    "localhost:{port}@evil.example",
    "evil.example@localhost:{port}",
    "localhost:{port}, evil.example:{port}",
    "localhost, evil.example",
    "localhost:{port}\r\nHost: evil.example:{port}",
    "evil.example:{port}\r\nHost: localhost:{port}",
    "[::1]evil.example:{port}",
    "[::1].evil.example",
    "[::1",
    "127.0.0.1:evil.example",
    "localhost/evil.example",
    "localhost#evil",
    "localhost%2eevil.example",
    "10.0.0.1:{port}",
    "[2001:db8::1]:{port}",
    "0.0.0.0:{port}",
    "[::]:{port}",
    "2130706433",
    "0x7f000001",
    "\xc2\xad\x6cocalhost",
    "xn--localhost",
    ".localhost",
    "localhost..",
    "\x00",
]


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_host_header_is_refused_even_for_public_routes(server: InternalAPIServer, host: str) -> None:
    line = "Host: " + host.format(port=server.port)
    for path in ("/conf", "/metrics", "/", "/no/such/path"):
        response = ask(server, f"GET {path}", line)
        assert response.status in (400, 403), path
        assert b"chunk_size" not in response.body


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LocalHost:{port}",
        "127.0.0.1:{port}",
        "127.0.0.2:{port}",
        "[::1]:{port}",
        "engine.corp.example",
        "ENGINE.corp.example:443",
    ],
)
def test_own_host_names_are_accepted(server: InternalAPIServer, host: str) -> None:
    assert ask(server, "GET /conf", "Host: " + host.format(port=server.port)).status == 200


def test_http_1_0_request_without_host_is_accepted(server: InternalAPIServer) -> None:
    assert raw(server, "GET /conf HTTP/1.0\r\n\r\n").status == 200


@pytest.mark.parametrize("target", ["http://evil.example/conf", "http://localhost/conf", "http://evil.example:80/conf"])
def test_absolute_target_does_not_replace_the_host_header(server: InternalAPIServer, target: str) -> None:
    assert ask(server, f"GET {target}", "Host: evil.example").status == 403
    assert ask(server, f"GET {target}", "Host: localhost").status == 200
    assert ask(server, "POST http://localhost/conf", f"Origin: {EVIL}", body="{}").status == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "MyHost.Example"])
def test_bound_host_is_accepted_in_any_case(host: str) -> None:
    environ = {ADDRESS_KEY: Address(1, host, 7000), "HTTP_HOST": f"{host.lower()}:7000"}
    check_host(environ, [])
    check_host(environ | {"HTTP_HOST": "localhost:7000"}, [])
    if host == "0.0.0.0":
        check_host(environ | {"HTTP_HOST": "10.0.0.1:7000"}, [])
    with pytest.raises(Forbidden, match="internal_api_server_allowed_hosts"):
        check_host(environ | {"HTTP_HOST": "evil.example:7000"}, [])


def test_unix_socket_does_not_check_the_host(tmp_path: Path) -> None:
    with serving(tmp_path, "unix") as server:
        assert ask(server, "GET /conf", "Host: whatever.example").status == 200


FORGED = [
    (f"Origin: {EVIL}",),
    ("Origin: null",),
    ("Origin:",),
    ("Origin: http://localhost:1",),
    ("Origin: https://localhost:{port}",),
    ("Origin: http://127.0.0.1:{port}",),  # Another name of the same server is another origin.
    ("Origin: http://localhost:{port}.evil.example",),
    ("Origin: http://localhost:{port}", f"Origin: {EVIL}"),
    (f"Origin: {EVIL}", "Origin: http://localhost:{port}"),
    ("Sec-Fetch-Site: cross-site",),
    ("Sec-Fetch-Site: same-site",),
    ("Sec-Fetch-Site:",),
    ("Sec-Fetch-Site: SAME-ORIGIN",),
    ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Site: cross-site"),
    ("Sec-Fetch-Site: same-origin", f"Origin: {EVIL}"),
    ("Sec-Fetch-Site: cross-site", "Origin: http://localhost:{port}"),
    ("Sec_Fetch_Site: same-origin", f"Origin: {EVIL}"),
]
WRITES = [
    ("POST /run_script", AS_MULTIPART, MULTIPART),
    ("POST /conf", "Content-Type: text/plain", '{"min_retrieve_tokens": 7}'),
    ("PUT /freeze/enable", "X: y", ""),
    ("DELETE /backends/LocalCPUBackend", "X: y", ""),
    ("GET /loglevel?logger_name=tests.browser&level=ERROR", "X: y", ""),
    ("HEAD /loglevel?logger_name=tests.browser&level=ERROR", "X: y", ""),
    ("GET /loglevel?logger_name=tests.browser&level=&level=ERROR", "X: y", ""),
    ("GET /loglevel?logger_name=tests.browser&%6cevel=ERROR", "X: y", ""),
    ("PUT /loglevel?logger_name=tests.browser&level=ERROR", "X: y", ""),
]


def unchanged(server: InternalAPIServer) -> bool:
    assert server.app is not None
    manager = server.app.state.lmcache_adapter
    return (
        not hasattr(server.app.state, "owned")
        and manager.config.min_retrieve_tokens == 0
        and not manager.lmcache_engine.is_frozen()
        and "LocalCPUBackend" in manager.lmcache_engine.storage_manager.list_backends()
        and logging.getLogger("tests.browser").level == logging.NOTSET
    )


@pytest.mark.parametrize("headers", FORGED, ids=" + ".join)
def test_write_of_another_site_changes_nothing(server: InternalAPIServer, headers: tuple[str, ...]) -> None:
    lines = [header.format(port=server.port) for header in headers]
    for line, content_type, body in WRITES:
        assert ask(server, line, content_type, *lines, body=body).status == 403, line
        assert audit_of(server.app)[-1]["outcome"] == "refused"
    assert unchanged(server)


@pytest.mark.parametrize(
    ("headers", "named"),
    [
        ((f"Origin: {EVIL}",), EVIL),
        (("Sec-Fetch-Site: cross-site",), "cross-site"),
        ((f"Origin: {EVIL}", "Sec-Fetch-Site: cross-site"), EVIL),
    ],
)
def test_refusal_names_the_site(server: InternalAPIServer, headers: tuple[str, ...], named: str) -> None:
    response = ask(server, "PUT /freeze/enable", *headers)
    assert f"A page of another site ({named}) may not send PUT here." in response.body.decode()


@pytest.mark.parametrize("line", ["OPTIONS /conf", "POST /no/such/path", "POST /metrics", "PATCH /conf", "TRACE /conf"])
def test_cross_site_write_is_refused_for_any_path_and_method(server: InternalAPIServer, line: str) -> None:
    response = ask(server, line, f"Origin: {EVIL}", "Access-Control-Request-Method: PUT")
    assert response.status == 403
    assert not any(name.startswith("access-control") for name in response.headers)


@pytest.mark.parametrize("path", ["/conf", "/metrics", "/", "/loglevel", "/loglevel?level=", "/nothing"])
def test_responses_have_no_cors_headers(server: InternalAPIServer, path: str) -> None:
    response = ask(server, f"GET {path}", f"Origin: {EVIL}", "Sec-Fetch-Site: cross-site")
    assert response.status in (200, 404)
    assert not any(name.startswith("access-control") for name in response.headers)
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("content_type", "named"),
    [
        ("text/plain", "text/plain"),
        ("Text/Plain; x=y", "text/plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("", "nothing"),
    ],
)
def test_form_content_type_from_a_browser_is_refused(server: InternalAPIServer, content_type: str, named: str) -> None:
    own = (f"Origin: http://localhost:{server.port}", "Sec-Fetch-Site: same-origin")
    header = (f"Content-Type: {content_type}",) if content_type else ()
    response = ask(server, "POST /conf", *own, *header, body='{"min_retrieve_tokens": 7}')
    assert response.status == 403
    assert f"as application/json, not as '{named}'." in response.body.decode()
    assert unchanged(server)


def test_own_page_may_write_json(client: FlaskClient) -> None:
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/conf", json={"min_retrieve_tokens": 0}, headers=own).status_code == 200
    assert client.put("/freeze/disable", headers=own).status_code == 200


def test_address_typed_by_the_user_is_accepted(server: InternalAPIServer) -> None:
    typed = ("Sec-Fetch-Site: none", f"User-Agent: {BROWSER}")
    assert ask(server, "GET /loglevel?logger_name=server.typed&level=NOTSET", *typed).status == 200


@pytest.mark.parametrize(
    ("line", "headers", "body"),
    [
        ("POST /conf", ("Content-Type: application/x-www-form-urlencoded",), '{"min_retrieve_tokens": 0}'),
        ("POST /conf", (), '{"min_retrieve_tokens": 0}'),
        ("POST /run_script", (AS_MULTIPART,), upload(b"result = 1")[0].decode()),
        ("PUT /freeze/disable", (), ""),
        ("GET /loglevel?logger_name=server.curl&level=NOTSET", (), ""),
        ("OPTIONS /conf", (), ""),
    ],
)
def test_default_requests_of_curl_are_accepted(
    server: InternalAPIServer, line: str, headers: tuple[str, ...], body: str
) -> None:
    assert ask(server, line, "User-Agent: curl/8.5.0", "Accept: */*", *headers, body=body).status == 200


def test_browser_without_origin_may_not_write_by_get(tmp_path: Path) -> None:
    # For an <img> at 0.0.0.0 or at a name over plain HTTP, browsers send neither Origin nor Sec-Fetch-Site.
    extra: dict[str, Any] = {"allowed_hosts": ["engine.corp.example"]}
    write = "GET /loglevel?logger_name=tests.browser&level=ERROR"
    agent = f"User-Agent: {BROWSER}"
    with serving(tmp_path, extra=extra, internal_api_server_host="0.0.0.0") as server:
        for host in ("0.0.0.0", "engine.corp.example", "[::]", "10.0.0.1"):
            assert ask(server, write, f"Host: {host}:{server.port}", agent).status == 403
            assert ask(server, "GET /loglevel", f"Host: {host}:{server.port}", agent).status == 200
        assert unchanged(server)
        # lmcache-frontend forwards the headers of its browser to loopback; curl is not a browser.
        reset = "GET /loglevel?logger_name=tests.browser&level=NOTSET"
        assert ask(server, reset, f"Host: 127.0.0.1:{server.port}", agent).status == 200
        assert ask(server, reset, f"Host: 0.0.0.0:{server.port}", "User-Agent: curl/8.5.0").status == 200


def test_token_does_not_bypass_the_origin_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "t0ken")
    with app_with() as app:
        headers = {"Authorization": "Bearer t0ken", "Origin": EVIL}
        assert app.test_client().put("/freeze/enable", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("corp.example", True),
        ("CORP.example:8000", True),
        ("a.corp.example", True),
        ("a.b.corp.example:1", True),
        ("evilcorp.example", False),
        ("corp.example.evil", False),
        ("example", False),
        ("evil.example/.corp.example", False),
        ("evil.example,a.corp.example", False),
        ("evil@a.corp.example", False),
        ("other.example", False),
    ],
)
def test_suffix_allows_its_name_and_subdomains(host: str, allowed: bool) -> None:
    environ = {ADDRESS_KEY: Address(1, "0.0.0.0", 1), "HTTP_HOST": host}
    if allowed:
        check_host(environ, [".Corp.example"])
    else:
        with pytest.raises(Forbidden):
            check_host(environ, [".Corp.example"])


@pytest.mark.parametrize("pattern", ["*", "*.corp.example", "."])
def test_star_in_allowed_hosts_matches_nothing_and_is_logged(pattern: str, caplog: pytest.LogCaptureFixture) -> None:
    with app_with(allowed_hosts=[pattern]) as app:
        assert app.test_client().get("/conf", headers={"Host": "a.corp.example"}).status_code == 403
    assert ("`*` matches no name" in caplog.text) == ("*" in pattern)


@pytest.mark.parametrize("root", ["//evil.example", "///evil.example", "/\\evil.example", "/\\/evil.example"])
@pytest.mark.parametrize("engine", ["in-process", "mp"])
def test_mount_path_from_a_request_never_names_a_host(root: str, engine: str) -> None:
    """gunicorn takes SCRIPT_NAME from a header of trusted proxies, and on loopback from each client."""
    with mp_manager(None) if engine == "mp" else make_manager() as manager:
        client = create_app(manager).test_client()
        for path in ("/", "/ui", "/docs", "/nothing"):
            response = client.get(path, headers={"Accept": "text/html"}, environ_overrides={"SCRIPT_NAME": root})
            assert response.headers.get("Location", "/evil.example/ui") == "/evil.example/ui"
            assert "//evil.example" not in response.text
            assert "\\evil.example" not in response.text
