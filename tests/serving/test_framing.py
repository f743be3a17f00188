"""The end of a request: ambiguous framing is refused, and the client gets the reason."""

from __future__ import annotations

import json

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import INLINE, LAST, POOL, SMUGGLED, echoed, get, post, request
from tests.serving.tables import CHUNKS, LENGTHS
from tests.wire import Answer, converse, statuses, talking

HOST = b"Host: localhost"
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"


def answered(server: InternalAPIServer, *packets: bytes) -> Answer:
    """Return the response to a request between valid ones: those before it are answered, those after it are not."""
    first, second, *others = converse(server, *packets)
    assert [first.status, second.status, len(others)] == [200, 200, 1]
    return others[0]


@pytest.mark.parametrize(("headers", "expected"), LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("body", [b"hello", CHUNKED], ids=["", "chunked"])
def test_an_ambiguous_length_is_refused(
    tcp: InternalAPIServer, headers: list[bytes], expected: set[int], body: bytes
) -> None:
    if 200 in expected:
        assert statuses(converse(tcp, post(*headers, body=b"hello") + LAST)) in ([400], [413], [200, 200])
    else:
        assert answered(tcp, INLINE + POOL + post(*headers, body=body) + SMUGGLED).status in expected


@pytest.mark.parametrize("chunks", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("splits", [False, True], ids=["at once", "byte by byte"])
def test_a_broken_chunk_is_refused(tcp: InternalAPIServer, chunks: bytes, splits: bool) -> None:
    sent = INLINE + POOL + post(b"Transfer-Encoding: chunked", body=chunks) + SMUGGLED
    packets = [sent[start : start + 1] for start in range(len(sent))] if splits else [sent]
    assert answered(tcp, *packets).status == 400


@pytest.mark.parametrize("size", [b"f" * 5, b"f" * 16, b"f" * 17, b"f" * 5000])
def test_a_chunk_above_the_limit_is_refused_before_it_is_sent(tcp: InternalAPIServer, size: bytes) -> None:
    answer = answered(tcp, INLINE + POOL + post(b"Transfer-Encoding: chunked", body=size + b"0\r\nhello"))
    assert answer.status == 413 or (answer.status == 400 and len(size) > 4096)


@pytest.mark.parametrize("line", [b"5;" + b"a" * 70_000, b"0" * 70_000, b"0\r\nX: " + b"y" * 70_000])
def test_data_around_chunks_is_bounded(tcp: InternalAPIServer, line: bytes) -> None:
    answer = answered(tcp, INLINE + POOL + post(b"Transfer-Encoding: chunked", body=line))
    assert answer.status in (400, 413, 431)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0"])
@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
def test_chunks_in_another_http_version_are_not_read_as_the_next_request(
    tcp: InternalAPIServer, version: bytes, connection: bytes
) -> None:
    sent = post(b"Transfer-Encoding: chunked", b"Connection: " + connection, body=CHUNKED, version=version)
    assert answered(tcp, INLINE + POOL + sent + SMUGGLED).status in (400, 501, 505)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([b"Content-Length: 5"], b"hello"),
        ([b"content-length:5"], b"hello"),
        ([b"Content-Length: \t 5 \t "], b"hello"),
        ([b"Content-Length: 00005"], b"hello"),
        ([b"Transfer-Encoding: chunked"], CHUNKED),
        ([b"TRANSFER-ENCODING:CHUNKED"], CHUNKED),
        ([b"Transfer-Encoding: \tchunked \t"], CHUNKED),
        ([b"Transfer-Encoding: chunked"], b'05;a=b;c;d="e;f"\r\nhello\r\n000\r\n\r\n'),
        ([b"Transfer-Encoding: chunked"], b"1\r\nh\r\n4\r\nello\r\n0\r\nX-Sum: 1\r\nX: y\r\n\r\n"),
        ([b"Transfer-Encoding: chunked"], b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"),
        # Names with an underscore are ignored, because WSGI cannot distinguish them from names with a hyphen.
        ([b"Content-Length: 5", b"Content_Length: 50", b"Transfer_Encoding: chunked"], b"hello"),
    ],
)
@pytest.mark.parametrize("splits", [False, True], ids=["at once", "byte by byte"])
def test_a_body_arrives_complete_and_the_next_request_follows_it(
    tcp: InternalAPIServer, headers: list[bytes], body: bytes, splits: bool
) -> None:
    sent = post(*headers, body=body) + INLINE + LAST
    packets = [sent[start : start + 1] for start in range(len(sent))] if splits else [sent]
    answers = converse(tcp, *packets)
    assert statuses(answers) == [200, 200, 200]
    assert echoed(answers[0])["body"] == "hello"
    assert echoed(answers[2])["query"] == "last"


@pytest.mark.parametrize("path", [b"/unread", b"/nowhere"])
@pytest.mark.parametrize("length", [5, 200_000])
def test_a_body_that_no_view_reads_is_not_read_as_the_next_request(
    tcp: InternalAPIServer, path: bytes, length: int
) -> None:
    head = request(b"POST " + path + b" HTTP/1.1", HOST, b"Content-Length: %d" % length)
    answers = converse(tcp, head, SMUGGLED.ljust(length)[:length], LAST)
    assert statuses(answers) in ([200, 200], [404, 200], [404])


def test_a_refusal_has_the_common_format(tcp: InternalAPIServer) -> None:
    for refused in (get(b"/", b"no colon"), post(b"Content-Length: x"), post(b"Transfer-Encoding: gzip")):
        (answer,) = converse(tcp, refused)
        assert answer.headers["connection"] == "close"
        assert set(json.loads(answer.body)) == {"error", "message"}


def test_an_incomplete_body_is_not_served(tcp: InternalAPIServer) -> None:
    with talking(tcp) as conversation:
        conversation.send(INLINE + post(b"Content-Length: 5", body=b"hell"))
        assert conversation.next().status == 200
        conversation.end()
        assert statuses(conversation.rest()) in ([], [400])


def test_a_refusal_says_what_was_wrong(tcp: InternalAPIServer) -> None:
    for headers, status, said in (
        ((b"Content-Length: 2000000",), 413, "1048576 bytes"),
        ((b"Content-Length: 1", b"Transfer-Encoding: chunked"), 400, "Content-Length and Transfer-Encoding contradict"),
    ):
        with talking(tcp) as conversation:
            conversation.send(post(*headers))
            answer = conversation.next("POST")
            assert (answer.status, said in answer.body.decode()) == (status, True), answer.body
