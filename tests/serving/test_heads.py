"""Invalid request heads: each gets a clear refusal, whatever is wrong and wherever it is."""

from __future__ import annotations

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import INLINE, LAST, POOL, SMUGGLED, get, request
from tests.serving.tables import HEADERS, LINES, VERSIONS
from tests.wire import converse, statuses

HOST = b"Host: localhost"


def is_refused(server: InternalAPIServer, sent: bytes, *expected: int) -> None:
    """Check that `sent` is refused, as the first request and between valid ones; only those before it are answered."""
    (answer,) = converse(server, sent)
    assert answer.status in expected
    *before, answer = converse(server, INLINE + POOL + sent + SMUGGLED)
    assert [*statuses(before), answer.status in expected] == [200, 200, True]


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
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
def test_exactly_one_host_is_required(tcp: InternalAPIServer, hosts: list[bytes]) -> None:
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
def test_an_invalid_host_is_refused(tcp: InternalAPIServer, host: bytes) -> None:
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
def test_similar_valid_requests_are_served(tcp: InternalAPIServer, sent: bytes, expected: list[int]) -> None:
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
        # Python's urlsplit refuses the first of them since 3.11.4.
        *(
            b"http://[localhost]/version",
            b"http://[v1.x]/version",
            b"http://[::1]x/version",
            b"ftp://localhost/version",
            b"HTTP://LOCALHOST/version",
        ),
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"CONNECT"])
def test_unusual_targets_get_a_client_error_or_a_response(tcp: InternalAPIServer, target: bytes, method: bytes) -> None:
    sent = request(method + b" " + target + b" HTTP/1.1", HOST, b"Connection: close")
    (answer,) = converse(tcp, sent)
    assert answer.status < 500
