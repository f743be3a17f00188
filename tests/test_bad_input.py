"""Malformed requests get the right status and the common error format, never a 500 or a stack trace."""

from __future__ import annotations

import json
import random

import pytest
from flask.testing import FlaskClient
from werkzeug.test import create_environ, run_wsgi_app

from lmcache_internal import InternalAPIServer, create_app
from tests.support import connect, fetch, make_manager, upload

LIMIT = 1 << 20
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "LMCACHE")


def routes() -> list[tuple[str, set[str]]]:
    with make_manager() as manager:
        rules = create_app(manager).url_map.iter_rules()
        return sorted((rule.rule, set(rule.methods or ())) for rule in rules)


def in_common_shape(body: bytes) -> bool:
    decoded = json.loads(body)
    return set(decoded) == {"error", "message"} and all(isinstance(value, str) for value in decoded.values())


@pytest.mark.parametrize("path", sorted({path for path, _ in routes()}))
def test_every_route_rejects_other_methods(client: FlaskClient, path: str) -> None:
    allowed = {method for route, methods in routes() if route == path for method in methods}
    for method in set(METHODS) - allowed:
        response = client.open(path.replace("<", "").replace(">", ""), method=method)
        assert response.status_code == 405, method
        assert in_common_shape(response.data)


@pytest.mark.parametrize("path", sorted({path for path, methods in routes() if "GET" in methods}))
@pytest.mark.parametrize(
    "query", ["?%ff=%ff", "?names=%00", f"?names={'x' * 9000}", "?=&&=", "?names[]=1", "?a=%ud800", "?names=%ED%A0%80"]
)
def test_malformed_queries_do_not_get_500(client: FlaskClient, path: str, query: str) -> None:
    assert client.get(path.replace("<", "").replace(">", "") + query).status_code in (200, 400, 404, 503)


@pytest.mark.parametrize("path", ["/conf", "/livez", "/metrics", "/nothing"])
@pytest.mark.parametrize("query", ["\xff", "names=\xe9", "names=\xc3\xa4&x=%zz"])
def test_a_query_that_is_not_encoded_does_not_get_500(client: FlaskClient, path: str, query: str) -> None:
    """As gunicorn and others pass it; our own server refuses it."""
    response = client.get(path, environ_overrides={"QUERY_STRING": query})
    assert response.status_code == (404 if path == "/nothing" else 200)


def test_a_query_in_utf_8_that_is_not_encoded_is_read(client: FlaskClient) -> None:
    level = client.get("/loglevel", environ_overrides={"QUERY_STRING": "logger_name=b\xc3\xa4r"})
    assert level.text.startswith("bär: ")


def test_a_host_that_is_no_idna_does_not_get_500(client: FlaskClient) -> None:
    environ = create_environ("/", headers={"Accept": "text/plain"}) | client.environ_base | {"HTTP_HOST": "xn--a"}
    body, status, _ = run_wsgi_app(client.application, environ)  # The client refuses such a host.
    assert status == "200 OK"
    assert b"curl http://xn--a/\n" in b"".join(body)


@pytest.mark.parametrize("path", ["/%ff", "/conf%00", "/conf/../env", "/" + "x" * 9000, "/%2e%2e/conf", "/Conf"])
def test_malformed_paths_get_404(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert in_common_shape(response.data)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/\u00ff", "", "a" * 5000],
)
def test_malformed_content_types_get_400(client: FlaskClient, content_type: str) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="script"\r\n'
    assert client.post("/run_script", data=body, content_type=content_type).status_code == 400
    assert client.post("/conf", data=b"{]", content_type=content_type).status_code == 400


@pytest.mark.parametrize("path", ["/conf", "/run_script"])
def test_body_over_limit_gets_413(server: InternalAPIServer, path: str) -> None:
    body, headers = upload(b"#" * LIMIT) if path == "/run_script" else (b" " * (LIMIT + 1), {})
    status, answer = fetch(server, path, "POST", body, headers)
    assert status == 413
    assert in_common_shape(answer)
    assert str(LIMIT) in json.loads(answer)["message"]


def test_flask_app_enforces_body_limit(client: FlaskClient) -> None:
    response = client.post("/conf", data=b" " * (LIMIT + 1))
    assert response.status_code == 413
    assert in_common_shape(response.data)


def test_body_at_limit_is_accepted(server: InternalAPIServer) -> None:
    assert fetch(server, "/conf", "POST", b"{}".ljust(LIMIT))[0] == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", 431),
        (b"POST /conf HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /conf HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST /conf HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_invalid_http_gets_common_error_format(server: InternalAPIServer, request_bytes: bytes, status: int) -> None:
    with connect(server) as connection:
        connection.sendall(request_bytes)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    assert answer.startswith(f"HTTP/1.{answer[7:8].decode()} {status} ".encode())
    assert in_common_shape(answer.partition(b"\r\n\r\n")[2])
    assert fetch(server, "/lmc_version")[0] == 200


def test_random_bytes_do_not_harm_the_server(server: InternalAPIServer) -> None:
    noise = random.Random(1)
    for _ in range(200):
        with connect(server) as connection:
            connection.sendall(noise.randbytes(noise.randrange(1, 400)))
    assert fetch(server, "/lmc_version")[0] == 200
