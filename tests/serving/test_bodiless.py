"""Responses without a body: no byte of a body is sent, and the next response follows directly."""

from __future__ import annotations

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import INLINE, LAST, get, request
from tests.wire import converse, statuses

HOST = b"Host: localhost"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        *((b"/stream", 200), (b"/version", 200), (b"/echo", 200), (b"/metrics", 200), (b"/nowhere", 404)),
        *((b"/conf?names=nothing", 200), (b"/openapi.json", 200)),
    ],
)
def test_head_is_answered_without_a_body(tcp: InternalAPIServer, path: bytes, status: int) -> None:
    head = request(b"HEAD " + path + b" HTTP/1.1", HOST)
    answers = converse(tcp, INLINE + head + head + INLINE + LAST, methods=["GET", "HEAD", "HEAD", "GET"])
    assert statuses(answers) == [200, status, status, 200, 200]


@pytest.mark.parametrize("path", [b"/stream", b"/version", b"/nowhere"])
def test_head_is_answered_without_a_body_in_http_1_0(tcp: InternalAPIServer, path: bytes) -> None:
    head = request(b"HEAD " + path + b" HTTP/1.0", b"Connection: keep-alive")
    answers = converse(tcp, head + LAST, methods=["HEAD", "GET"])
    assert [answer.body for answer in answers][:1] == [b""]
    assert len(answers) == 2 or answers[0].headers["connection"] == "close"


@pytest.mark.parametrize("path", [b"/stream", b"/version", b"/nowhere"])
def test_head_has_the_headers_of_get(tcp: InternalAPIServer, path: bytes) -> None:
    sent = [request(method + path + b" HTTP/1.1", HOST, b"Connection: close") for method in (b"GET ", b"HEAD ")]
    (with_body,), (without,) = converse(tcp, sent[0]), converse(tcp, sent[1], methods=["HEAD"])
    ignored = {"date", "transfer-encoding", "content-length"}
    assert {**without.headers, **dict.fromkeys(ignored)} == {**with_body.headers, **dict.fromkeys(ignored)}
    assert without.headers.get("content-length") in (with_body.headers.get("content-length"), None)


@pytest.mark.parametrize(
    "head",
    [
        request(b"HEAD /version HTTP/1.1"),
        request(b"HEAD /version HTTP/1.1", HOST, HOST),
        request(b"HEAD /version HTTP/1.1", HOST, b"Content-Length: 99999999"),
    ],
)
def test_head_is_refused_without_a_body(tcp: InternalAPIServer, head: bytes) -> None:
    _, answer = converse(tcp, INLINE + head, methods=["GET", "HEAD"])
    assert answer.status in (400, 413)


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_ends_after_its_head(tcp: InternalAPIServer, status: int) -> None:
    answers = converse(tcp, get(b"/nothing?status=%d" % status) + INLINE + LAST)
    assert answers[0].status == status
    assert len(answers) == 3 or answers[0].headers["connection"] == "close"


def test_a_stream_ends_with_its_last_chunk_or_with_the_connection(tcp: InternalAPIServer) -> None:
    chunked = converse(tcp, INLINE + get(b"/stream") + LAST)
    assert chunked[1].body == b"one,two,three"
    assert len(chunked) == 3 or chunked[1].headers["connection"] == "close"
    plain = converse(tcp, request(b"GET /stream HTTP/1.0", b"Connection: keep-alive") + LAST)
    assert [answer.body for answer in plain] == [b"one,two,three"]
