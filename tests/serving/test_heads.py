"""Heads that are no heads of HTTP: each is a clear refusal, whatever is wrong and wherever."""

from __future__ import annotations

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import INLINE, LAST, POOL, SMUGGLED, get, request
from tests.wire import converse, statuses

HOST = b"Host: localhost"

REFUSED = {
    # The request line.
    "unclosed bracket": b"GET http://[ HTTP/1.1",
    "unclosed bracket and port": b"GET http://[::1:80/version HTTP/1.1",
    "unclosed bracket and path": b"GET http://[::1/version HTTP/1.1",
    "closed bracket alone": b"GET http://]/version HTTP/1.1",
    "bracket around a name": b"GET http://[localhost]/version HTTP/1.1",
    "NFKC slash in the host": b"GET http://a\xe2\x84\x80b/version HTTP/1.1",
    "NUL": b"GET /version\x00 HTTP/1.1",
    "tab in the path": b"GET /version\tx HTTP/1.1",
    "escape character": b"GET /\x1b[31m HTTP/1.1",
    "delete character": b"GET /\x7f HTTP/1.1",
    "control character in the query": b"GET /version?\x01 HTTP/1.1",
    "bare LF in the line": b"GET /version\n HTTP/1.1",
    "bare CR in the line": b"GET /version\r HTTP/1.1",
    "space in the path": b"GET /ver sion HTTP/1.1",
    "two spaces": b"GET  /version HTTP/1.1",
    "two spaces before the version": b"GET /version  HTTP/1.1",
    "tab instead of a space": b"GET\t/version HTTP/1.1",
    "space before the method": b" GET /version HTTP/1.1",
    "space after the version": b"GET /version HTTP/1.1 ",
    "lower-case method": b"get /version HTTP/1.1",
    "method with a NUL": b"GE\x00T /version HTTP/1.1",
    "method with a colon": b"GET: /version HTTP/1.1",
    "method in Latin-1": b"G\xc9T /version HTTP/1.1",
    "method alone": b"GET",
    "no method": b"/version HTTP/1.1",
    "answer": b"HTTP/1.1 200 OK",
    "four words": b"GET /version HTTP/1.1 HTTP/1.1",
}

VERSIONS = [
    *(b"GET /version HTTP/0.9", b"GET /version HTTP/2.0", b"GET /version HTTP/3.0", b"GET /version HTTP/1"),
    *(b"GET /version HTTP/1.", b"GET /version HTTP/1.10", b"GET /version HTTP/11", b"GET /version http/1.1"),
    *(b"GET /version HTTPS/1.1", b"GET /version HTTP/1.1x", b"GET /version HTTP/1.-1", b"GET /version ICY/1.1"),
    b"GET /version",
]

HEADERS = {
    "no colon": b"X",
    "no name": b": y",
    "only a colon": b":",
    "space before the colon": b"X : y",
    "tab before the colon": b"X\t: y",
    "space before the name": b" X: y",
    "continued with a space": b"X: y\r\n z",
    "continued with a tab": b"X: y\r\n\tz",
    "continued with nothing": b"X: y\r\n ",
    "name with a space": b"X Y: z",
    "name with a NUL": b"X\x00: y",
    "name with a slash": b"X/Y: z",
    "name in brackets": b"(X): y",
    "name in Latin-1": b"\xc9: y",
    "name with a bare CR": b"X\r: y",
    "value with a NUL": b"X: a\x00b",
    "value with a control character": b"X: a\x01b",
    "value with an escape character": b"X: a\x1b[31mb",
    "value with a vertical tab": b"X: a\x0bb",
    "value with a delete character": b"X: a\x7fb",
    "value with a bare CR": b"X: a\rb",
    "value with a bare LF": b"X: a\nb",
    "value that ends in CR": b"X: a\r",
    "value that ends in LF": b"X: a\n",
}


def is_refused(server: InternalAPIServer, sent: bytes, *expected: int) -> None:
    """`sent` is refused, first on a connection, and between valid requests, of which those before it are answered."""
    (answer,) = converse(server, sent)
    assert answer.status in expected
    *before, answer = converse(server, INLINE + POOL + sent + SMUGGLED)
    assert [*statuses(before), answer.status in expected] == [200, 200, True]


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_a_broken_request_line_is_refused(tcp: InternalAPIServer, line: bytes) -> None:
    is_refused(tcp, request(line, HOST), 400)


@pytest.mark.parametrize("line", VERSIONS)
def test_another_version_is_refused(tcp: InternalAPIServer, line: bytes) -> None:
    is_refused(tcp, request(line, HOST), 400, 505)


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
@pytest.mark.parametrize("is_first", [True, False], ids=["first", "last"])
def test_a_broken_header_is_refused(tcp: InternalAPIServer, header: bytes, is_first: bool) -> None:
    headers = [header, HOST] if is_first else [HOST, header]
    is_refused(tcp, request(b"GET /version HTTP/1.1", *headers), 400)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (get(b"/" + b"x" * 70_000), {414, 431}),
        (get(b"/version?" + b"x" * 70_000), {414, 431}),
        (get(b"http://" + b"x" * 70_000 + b"/version"), {414, 431}),
        (request(b"A" * 70_000 + b" / HTTP/1.1", HOST), {400, 431}),
        (get(b"/version", b"X: " + b"y" * 70_000), {431}),
        (get(b"/version", b"X" * 70_000 + b": y"), {431}),
        (get(b"/version", *[b"X: y"] * 20_000), {431}),
    ],
    ids=["path", "query", "authority", "method", "value", "name", "number"],
)
def test_a_head_that_is_too_large_is_refused(tcp: InternalAPIServer, head: bytes, expected: set[int]) -> None:
    is_refused(tcp, head, *expected)


@pytest.mark.parametrize("hosts", [[], [b"localhost"] * 2, [b"localhost", b"evil.example"], [b"", b"localhost"]])
def test_one_host_is_needed_and_no_more(tcp: InternalAPIServer, hosts: list[bytes]) -> None:
    is_refused(tcp, request(b"GET /version HTTP/1.1", *(b"Host: " + host for host in hosts)), 400)


@pytest.mark.parametrize(
    "host",
    [
        b"a b",
        b"localhost, evil.example",
        b"user@localhost",
        b"localhost/x",
        b"[",
        b"[::1",
        b"]",
        b"\xff",
        b"localhost:x",
    ],
)
def test_a_host_that_is_none_is_refused(tcp: InternalAPIServer, host: bytes) -> None:
    answer, *_ = converse(tcp, request(b"GET /version HTTP/1.1", b"Host: " + host, b"Connection: close"))
    assert answer.status in (400, 403)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (request(b"GET /version HTTP/1.0"), [200]),
        (request(b"GET /version HTTP/1.0", b"Connection: keep-alive") + LAST, [200, 200]),
        (request(b"GET /version HTTP/1.0", HOST, HOST), [400]),
        (request(b"GET http://localhost/version HTTP/1.1", HOST) + LAST, [200, 200]),
        (request(b"GET http://[::1]/version HTTP/1.1", b"Host: [::1]") + LAST, [200, 200]),
        (get(b"/ver%73ion") + LAST, [200, 200]),
        (get(b"/version?") + LAST, [200, 200]),
        (get(b"/version", b"X:") + LAST, [200, 200]),
        (get(b"/version", b"X:y", b"x: \xff", b"!#$%&'*+-.^`|~: z") + LAST, [200, 200]),
        (b"\r\n" + INLINE + b"\r\n\r\n" + LAST, [200, 200]),
        (request(b"OPTIONS /version HTTP/1.1", HOST) + LAST, [200, 200]),
    ],
)
def test_neighbors_that_are_allowed_are_served(tcp: InternalAPIServer, sent: bytes, expected: list[int]) -> None:
    assert statuses(converse(tcp, sent)) == expected


@pytest.mark.parametrize(
    "target",
    [
        *(
            b"/%",
            b"/%2",
            b"/%zz",
            b"/%c3%28",
            b"/%00",
            b"/version%00",
            b"/version%0d%0a",
            b"/%ff%fe",
            b"/\xff",
            b"/\xc3",
        ),
        *(b"*", b"version", b"?x", b"#", b"/version#x", b"http:", b"http://", b"http:///version", b"localhost:80"),
        *(b"http://localhost", b"http://a:b/version", b"http://a:99999/version", b"http://a@b:c@d/version", b"://"),
        *(b"//", b"///", b"/..", b"/../version", b"/./version", b"//[::1/version", b"\\version"),
        *(b"/version?%zz", b"/conf?names=%ff", b"/loglevel?logger_name=%00", b"/threads?samples=%e2%82", b"/echo?\xff"),
        *(b"/version?" + b"&" * 5000, b"/" + b"%41" * 5000, b"/" + b"../" * 5000, b"http://[::1%25lo]/version"),
        *(b"http://[v1.x]/version", b"http://[::1]x/version", b"ftp://localhost/version", b"HTTP://LOCALHOST/version"),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"OPTIONS", b"CONNECT", b"TRACE", b"BREW"])
def test_odd_targets_are_answered_and_are_not_our_failure(tcp: InternalAPIServer, target: bytes, method: bytes) -> None:
    sent = request(method + b" " + target + b" HTTP/1.1", HOST, b"Connection: close")
    (answer,) = converse(tcp, sent)
    assert answer.status < 500
