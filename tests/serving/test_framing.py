"""Where a request ends, and what is no request: nothing may be read in two ways, and all that is refused is told so."""

from __future__ import annotations

import json

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import INLINE, LAST, POOL, SMUGGLED, echoed, get, post, request
from tests.wire import Answer, converse, statuses, talking

HOST = b"Host: localhost"
CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"

# RFC 9112, sections 6 and 7: the header lines that say how long the body is, and what may be answered.
LENGTHS = {
    "both": ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], {400}),
    "both, chunked first": ([b"Transfer-Encoding: chunked", b"Content-Length: 15"], {400}),
    "both, length of 0": ([b"Content-Length: 0", b"Transfer-Encoding: chunked"], {400}),
    "both, unknown coding": ([b"Content-Length: 5", b"Transfer-Encoding: x"], {400, 501}),
    "both, empty coding": ([b"Content-Length: 5", b"Transfer-Encoding:"], {400, 501}),
    "chunked twice": ([b"Transfer-Encoding: chunked, chunked"], {400, 501}),
    "chunked twice, no space": ([b"Transfer-Encoding: chunked,chunked"], {400, 501}),
    "chunked in two headers": ([b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"], {400, 501}),
    "chunked in two headers, one hidden": ([b"Transfer-Encoding: chunked", b"X: y", b"transfer-encoding:"], {400, 501}),
    "chunked not last": ([b"Transfer-Encoding: chunked, gzip"], {400, 501}),
    "chunked not first": ([b"Transfer-Encoding: gzip, chunked"], {400, 501}),
    "codings in two headers": ([b"Transfer-Encoding: gzip", b"Transfer-Encoding: chunked"], {400, 501}),
    "identity": ([b"Transfer-Encoding: identity"], {400, 501}),
    "chunked, identity": ([b"Transfer-Encoding: chunked, identity"], {400, 501}),
    "unknown coding": ([b"Transfer-Encoding: xchunked"], {400, 501}),
    "empty coding": ([b"Transfer-Encoding:"], {400, 501}),
    "only commas": ([b"Transfer-Encoding: ,,"], {400, 501}),
    "coding with a parameter": ([b"Transfer-Encoding: chunked;q=1"], {400, 501}),
    "quoted coding": ([b'Transfer-Encoding: "chunked"'], {400, 501}),
    "coding after a vertical tab": ([b"Transfer-Encoding: \x0bchunked"], {400, 501}),
    "coding before a NUL": ([b"Transfer-Encoding: chunked\x00"], {400, 501}),
    "coding with a Latin-1 space": ([b"Transfer-Encoding: chunked\xa0"], {400, 501}),
    "folded coding": ([b"Transfer-Encoding:", b" chunked"], {400, 501}),
    "space before the coding's colon": ([b"Transfer-Encoding : chunked"], {400, 501}),
    "length twice": ([b"Content-Length: 5", b"Content-Length: 5"], {400}),
    "length twice in one": ([b"Content-Length: 5, 5"], {400}),
    "two lengths": ([b"Content-Length: 5", b"Content-Length: 6"], {400}),
    "two lengths, one of 0": ([b"Content-Length: 0", b"content-length: 5"], {400}),
    "two lengths, one empty": ([b"Content-Length: 5", b"Content-Length:"], {400}),
    "plus": ([b"Content-Length: +5"], {400}),
    "minus": ([b"Content-Length: -1"], {400}),
    "minus zero": ([b"Content-Length: -0"], {400}),
    "hexadecimal": ([b"Content-Length: 0x5"], {400}),
    "hexadecimal digit": ([b"Content-Length: f"], {400}),
    "fraction": ([b"Content-Length: 5.0"], {400}),
    "exponent": ([b"Content-Length: 5e0"], {400}),
    "underscore": ([b"Content-Length: 0_5"], {400}),
    "space within": ([b"Content-Length: 1 5"], {400}),
    "other digits": ([b"Content-Length: \xd9\xa5"], {400}),
    "Latin-1 digit": ([b"Content-Length: \xb2"], {400}),
    "quoted length": ([b'Content-Length: "5"'], {400}),
    "empty length": ([b"Content-Length:"], {400}),
    "length after a form feed": ([b"Content-Length: \x0c5"], {400}),
    "length before a NUL": ([b"Content-Length: 5\x00"], {400}),
    "folded length": ([b"Content-Length:", b" 5"], {400}),
    "space before the length's colon": ([b"Content-Length : 5"], {400}),
    "length before a bare LF": ([b"Content-Length: 5\nX: y"], {400}),
    "length before a bare CR": ([b"Content-Length: 5\rX: y"], {400}),
    "more than 64 bits": ([b"Content-Length: 18446744073709551621"], {400, 413}),
    "4,301 digits": ([b"Content-Length: " + b"9" * 4301], {400, 413}),
    "5,000 digits": ([b"Content-Length: " + b"9" * 5000], {400, 413}),
    "5,000 digits, mostly zeros": ([b"Content-Length: " + b"5".zfill(5000)], {200, 400, 413}),
}

CHUNKS = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "size with a minus": b"-5\r\nhello\r\n0\r\n\r\n",
    "size with a plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size with a prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size after a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "size in Latin-1": b"\xb2\r\nhello\r\n0\r\n\r\n",
    "size in letters": b"five\r\nhello\r\n0\r\n\r\n",
    "extension without a size": b";a=b\r\nhello\r\n0\r\n\r\n",
    "extension with a NUL": b"5;\x00\r\nhello\r\n0\r\n\r\n",
    "extension with a bare LF": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "extension with a bare CR": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "size before a bare LF": b"5\nhello\r\n0\r\n\r\n",
    "data too long": b"5\r\nhello!\r\n0\r\n\r\n",
    "data before a bare LF": b"5\r\nhello\n0\r\n\r\n",
    "data before a bare CR": b"5\r\nhello\r0\r\n\r\n",
    "data without an end": b"5\r\nhello0\r\n\r\n",
    "trailer that is no header": b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
    "trailer that is a request": b"5\r\nhello\r\n0\r\nGET /echo HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


def answered(server: InternalAPIServer, *packets: bytes) -> Answer:
    """The answer to a request between valid ones: those before it are answered, those after it are not."""
    first, second, *others = converse(server, *packets)
    assert [first.status, second.status, len(others)] == [200, 200, 1]
    return others[0]


@pytest.mark.parametrize(("headers", "expected"), LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("body", [b"hello", CHUNKED], ids=["", "chunked"])
def test_a_length_that_may_be_read_in_two_ways_is_refused(
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
    assert answer.status in (400, 413)


@pytest.mark.parametrize("line", [b"5;" + b"a" * 70_000, b"0" * 70_000, b"0\r\nX: " + b"y" * 70_000])
def test_what_stands_around_chunks_is_bounded(tcp: InternalAPIServer, line: bytes) -> None:
    answer = answered(tcp, INLINE + POOL + post(b"Transfer-Encoding: chunked", body=line))
    assert answer.status in (400, 413, 431)


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/0.9", b"HTTP/2.0"])
@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
def test_chunks_in_another_version_are_not_left_for_the_next_request(
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
        # Names with an underscore, which WSGI could not tell from those with a hyphen, are no headers.
        ([b"Content-Length: 5", b"Content_Length: 50", b"Transfer_Encoding: chunked"], b"hello"),
    ],
)
@pytest.mark.parametrize("splits", [False, True], ids=["at once", "byte by byte"])
def test_a_body_arrives_whole_and_the_next_request_begins_behind_it(
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
def test_a_body_that_no_view_reads_is_not_the_next_request(tcp: InternalAPIServer, path: bytes, length: int) -> None:
    head = request(b"POST " + path + b" HTTP/1.1", HOST, b"Content-Length: %d" % length)
    answers = converse(tcp, head, SMUGGLED.ljust(length)[:length], LAST)
    assert statuses(answers) in ([200, 200], [404, 200]) or (
        statuses(answers) == [404] and answers[0].headers["connection"] == "close"
    )


def test_what_is_refused_is_told_in_our_shape(tcp: InternalAPIServer) -> None:
    for refused in (get(b"/", b"no colon"), post(b"Content-Length: x"), post(b"Transfer-Encoding: gzip")):
        (answer,) = converse(tcp, refused)
        assert answer.headers["connection"] == "close"
        assert set(json.loads(answer.body)) == {"error", "message"}


def test_a_body_that_is_cut_off_is_not_served(tcp: InternalAPIServer) -> None:
    with talking(tcp) as conversation:
        conversation.send(INLINE + post(b"Content-Length: 5", body=b"hell"))
        assert conversation.next().status == 200
        conversation.end()
        assert statuses(conversation.rest()) in ([], [400])
