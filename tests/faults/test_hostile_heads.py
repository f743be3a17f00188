"""A hostile head or trailer takes linear time in the parser, and empty lines cause no work."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from waitress.adjustments import Adjustments

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving.event_loop import Loop
from lmcache_internal.serving.gil_sockets import GilSocket
from lmcache_internal.serving.header_cache import CachingParser
from lmcache_internal.serving.request_parser import MAX_HEADER_BYTES, MAX_HEADERS, Parser
from tests.linear import ALPHABETS, LENGTH, is_linear, repeated
from tests.serving.support import get
from tests.wire import talking

_CHUNKED = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
PARTS: dict[str, Callable[[bytes], bytes]] = {
    "method": lambda text: text + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "target": lambda text: get(b"/" + text),
    "absolute target": lambda text: get(b"http://" + text),
    "version": lambda text: get(b"/", version=text),
    "name": lambda text: get(b"/", text + b": x"),
    "value": lambda text: get(b"/", b"X:" + text),
    "value before a letter": lambda text: get(b"/", b"X:" + text + b"a"),
    "value before a NUL": lambda text: get(b"/", b"X:" + text + b"\0"),
    "value after a letter": lambda text: get(b"/", b"X:a" + text + b"\0"),
    "values of 1,000 bytes": lambda text: get(b"/", *(b"X:" + text[:1000] + b"a" for _ in range(len(text) // 1000))),
    "names": lambda text: get(b"/", *(b"X-%d: " % number + text[:4] for number in range(len(text) // 10))),
    "one name": lambda text: get(b"/", *(b"X:" + text[:4] for _ in range(len(text) // 6))),
    "body length": lambda text: get(b"/", b"Content-Length: " + text),
    "chunk size": lambda text: _CHUNKED + text + b"\r\n",
    "chunk extension": lambda text: _CHUNKED + b"1;" + text + b"\r\n",
    "chunk extension's value": lambda text: _CHUNKED + b'1;a="' + text + b"\r\n",
    "trailer": lambda text: _CHUNKED + b"0\r\nX:" + text + b"a\r\n\r\n",
    "trailers": lambda text: _CHUNKED + b"0\r\n" + b"".join([b"X:", text[:4], b"\r\n"]) * (len(text) // 8) + b"\r\n",
}


@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_head_is_parsed_in_linear_time(part: str) -> None:
    def parse(text: str) -> None:
        data = PARTS[part](text.encode())
        request = Parser(Adjustments())
        while data and not request.completed:  # The body, too.
            data = data[request.received(data) :]

    length = 8000 if part == "trailer" else LENGTH  # A longer trailer is refused.
    slow = [name for name, text in ALPHABETS.items() if not is_linear(parse, repeated(text), length)]
    assert slow == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"X: y"] * (MAX_HEADERS - 1), 200),  # One more is Host.
        ([b"X: y"] * MAX_HEADERS, 431),
        ([b"X: ".ljust(MAX_HEADER_BYTES, b"y")], 200),
        ([b"X: ".ljust(MAX_HEADER_BYTES + 1, b"y")], 431),
    ],
)
def test_number_and_size_of_headers_are_limited(harmed: InternalAPIServer, headers: list[bytes], status: int) -> None:
    with talking(harmed) as conversation:
        conversation.send(get(b"/version", *headers))
        assert conversation.next().status == status


def test_empty_lines_before_a_request_are_not_parsed_as_requests(
    harmed: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = []
    receive = CachingParser.received

    def received(request: CachingParser, data: bytes) -> int:
        parsed.append(data)
        return receive(request, data)

    monkeypatch.setattr(CachingParser, "received", received)
    with talking(harmed) as conversation:
        conversation.send(b"\r\n" * 20_000 + get(b"/version"))
        assert conversation.next().status == 200
        assert len(parsed) < 3  # The request may be in two packets.


def test_the_body_of_a_refused_request_is_discarded_in_many_rounds(
    harmed: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    discarded = [0]
    wait, receive = Loop.wait, GilSocket.recv

    def next_round(loop: Loop, seconds: float | None) -> None:
        discarded.append(0)
        wait(loop, seconds)

    def received(sock: GilSocket, size: int, flags: int = 0) -> bytes:
        data = receive(sock, size, flags)
        discarded[-1] += len(data)
        return data

    monkeypatch.setattr(Loop, "wait", next_round)
    monkeypatch.setattr(GilSocket, "recv", received)
    with talking(harmed) as conversation:
        conversation.send(b"POST /nothing/here HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4000000\r\n\r\n")
        assert conversation.next().status == 404
        conversation.send(b"x" * 4_000_000)
        assert conversation.rest() == []
    assert sum(discarded) > 150_000  # More than two rounds; on a busy machine, the second of lingering ends it soon.
    assert max(discarded) < 70_000
