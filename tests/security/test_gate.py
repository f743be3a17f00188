"""Authorization comes before arguments are read, for every path, and every response has the security headers."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from lmcache_internal import InternalAPIServer, create_app
from tests.security.support import ask, audit_of, raw, serving
from tests.support import make_manager, upload

REMOTE = {"REMOTE_ADDR": "10.0.0.1"}
EXPECTED = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": ("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
}

LATE = '''
from flask import Blueprint, Response
from lmcache_internal.api import Role, Upload, operation

router = Blueprint("late", __name__)
reached = []


@router.before_app_request
def before():
    reached.append("before_app_request")


@router.before_request
def before_own():
    reached.append("before_request")


@router.url_value_preprocessor
def preprocess(endpoint, values):
    reached.append("url_value_preprocessor")


@router.after_request
def after(response):
    reached.append("after_request")
    return response


@router.teardown_request
def teardown(error):
    reached.append("teardown_request")


@router.errorhandler(Exception)
def handle(error):
    reached.append("errorhandler")
    return "handled"


@router.get("/late")
@operation(action="be late")
def late(number: int) -> list[str]:
    """Require a number."""
    return reached


@router.get("/framed")
@operation(action="be framed", access=Role.PUBLIC)
def framed() -> Response:
    """Set its own Cache-Control header."""
    return Response("x", headers={"Cache-Control": "max-age=5"})
'''


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/cache/kvcache/check?slot_mapping=["),
        ("POST", "/conf"),
        ("POST", "/cache/store?tokens_mock=x"),
        ("PUT", "/loglevel?for=0"),
        ("GET", "/controller/workers?worker_id=x"),
        ("POST", "/conf/rollback?to=x"),
    ],
)
def test_authorization_is_checked_before_arguments(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method, data=b"{]", environ_base=REMOTE)
    assert response.status_code == 401
    assert client.open(path, method=method, data=b"{]").status_code == 400


def test_refused_script_is_not_read(server: InternalAPIServer) -> None:
    body = upload(b"result = 1")[0].decode()
    content_type = "Content-Type: multipart/form-data; boundary=b"
    assert ask(server, "POST /run_script", content_type, "Via: 1.1 x", body=body).status == 401
    assert "script_sha256" not in audit_of(server.app)[-1]


def test_plugin_code_does_not_run_for_a_refused_request(tmp_path: Path) -> None:
    (tmp_path / "late_api.py").write_text(LATE)
    with make_manager() as manager:
        app = create_app(manager, [tmp_path])
        client = app.test_client()
        assert client.get("/late?number=1", environ_base=REMOTE).status_code == 401
        assert client.get("/late", environ_base=REMOTE).status_code == 401
        for origin, admitted in ((REMOTE, False), ({}, True)):
            environ = EnvironBuilder("/late?number=1", environ_base={**client.environ_base, **origin}).get_environ()
            assert (app.admits(environ) > 0) is admitted
        assert client.get("/late?number=1").get_json() == [
            "url_value_preprocessor",
            "before_app_request",
            "before_request",
        ]


@pytest.mark.parametrize("path", ["//env", "///env", "/./env", "/%2fenv", "/%2e/env", "\\env", "/env%00", "/ENV", "*"])
def test_spelling_of_a_raw_path_does_not_bypass_authorization(server: InternalAPIServer, path: str) -> None:
    assert ask(server, f"GET {path}", "Via: 1.1 x").status in (400, 401, 404)


def test_fragment_and_query_do_not_select_the_route(server: InternalAPIServer) -> None:
    assert ask(server, "GET /env?/metrics", "Via: 1.1 x").status == 401
    assert ask(server, "GET /env#/metrics", "Via: 1.1 x").status == 401
    assert ask(server, "GET /metrics?x=/env", "Via: 1.1 x").status == 200


@pytest.mark.parametrize("method", ["get", "Get", "GET\x0b", "GE T"])
def test_invalid_methods_are_refused(server: InternalAPIServer, method: str) -> None:
    assert ask(server, f"{method} /env").status in (400, 405)


RESPONSES = [
    ("GET /", 200),
    ("GET /metrics", 200),
    ("HEAD /conf", 200),
    ("OPTIONS /conf", 200),
    ("GET /nothing", 404),
    ("GET /%ff", 404),
    ("PATCH /conf", 405),
    ("POST /conf", 400),
    ("GET /loglevel?logger_name=x&level=BAD", 400),
    ("GET /controller/workers", 503),
    ("DELETE /backends/none", 404),
    ("PUT /freeze/disable", 200),
]


def assert_headers(headers: dict[str, str]) -> None:
    assert {name: headers.get(name) for name in EXPECTED} == EXPECTED
    for telling in ("server", "via", "x-powered-by"):
        assert telling not in headers
    assert not any(name.startswith("access-control") for name in headers)
    assert "set-cookie" not in headers


@pytest.mark.parametrize(("line", "status"), RESPONSES)
def test_every_response_has_the_security_headers(server: InternalAPIServer, line: str, status: int) -> None:
    response = ask(server, line)
    assert response.status == status
    assert_headers(response.headers)


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /conf HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 x\r\nConnection: close\r\n\r\n", 401),
        (b"GET /conf HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", 403),
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n", 413),
        (b"POST /conf HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
)
def test_every_refusal_has_the_security_headers(tmp_path: Path, request_bytes: bytes, status: int) -> None:
    with serving(tmp_path) as server:
        response = raw(server, request_bytes)
    assert response.status == status
    assert_headers(response.headers)
    assert response.headers["content-type"] == "application/json"


def test_internal_error_has_the_security_headers_and_no_details(tmp_path: Path) -> None:
    (tmp_path / "bad_api.py").write_text(
        "from flask import Blueprint\nrouter = Blueprint('bad', __name__)\n"
        "@router.get('/bad')\ndef bad():\n    raise RuntimeError('inner secret')\n"
    )
    with make_manager() as manager:
        response = create_app(manager, [tmp_path]).test_client().get("/bad")
    assert response.status_code == 500
    assert "inner secret" not in response.text
    assert_headers({name.lower(): value for name, value in response.headers.items()})


def test_endpoint_may_override_a_header(tmp_path: Path) -> None:
    (tmp_path / "late_api.py").write_text(LATE)
    with make_manager() as manager:
        response = create_app(manager, [tmp_path]).test_client().get("/framed")
    assert response.headers["Cache-Control"] == "max-age=5"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_pipelined_request_is_authorized_separately(server: InternalAPIServer) -> None:
    first = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"
    second = b"GET /env HTTP/1.1\r\nHost: localhost\r\nVia: 1.1 x\r\nConnection: close\r\n\r\n"
    response = raw(server, first + second)
    assert response.status == 200
    assert response.body.count(b"HTTP/1.1 401 ") == 1
    assert b"HTTP/1.1 200" not in response.body
