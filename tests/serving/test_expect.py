"""`Expect: 100-continue`: a client is told to continue or why not, and no other request is affected."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, connection
from tests.serving.support import INLINE, LAST, POOL, echoed, get, post, request, serving, unread_connections
from tests.support import eventually
from tests.wire import converse, statuses, talking

EXPECT = b"Expect: 100-continue"
SECRET = b"Authorization: Bearer planted"
LENGTH = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
BODIES = [(LENGTH, b"hello"), (CHUNKED, b"5\r\nhello\r\n0\r\n\r\n")]


def final(server: InternalAPIServer, *packets: bytes) -> list[int]:
    """Return the statuses other than 100."""
    return [status for status in statuses(converse(server, *packets)) if status >= 200]


@pytest.mark.parametrize(
    "head",
    [
        get(b"/echo", EXPECT, SECRET),
        get(b"/version", EXPECT, SECRET),
        get(b"/echo", b"expect: 100-CONTINUE", SECRET),
        get(b"/echo", EXPECT, EXPECT, SECRET),
        get(b"/echo", EXPECT, b"Content-Length: 0", SECRET),
        get(b"/nowhere", EXPECT, SECRET),
        request(b"DELETE /echo HTTP/1.1", b"Host: localhost", EXPECT, SECRET),
        post(EXPECT, SECRET),
        post(EXPECT, b"Content-Length: 0", SECRET),
        post(EXPECT, CHUNKED, SECRET, body=b"0\r\n\r\n"),
        request(b"GET /echo HTTP/1.0", b"Connection: keep-alive", EXPECT, SECRET),
    ],
)
@pytest.mark.parametrize("waits", [True, False])
def test_without_a_body_the_expectation_does_not_affect_the_next_request(
    tcp: InternalAPIServer, head: bytes, waits: bool
) -> None:
    with talking(tcp) as conversation:
        if waits:
            conversation.send(head)
            while (status := conversation.next().status) == 100:
                pass
            assert status in (200, 404, 417)
        conversation.send((b"" if waits else head) + POOL + LAST)
        answers = [answer for answer in conversation.rest() if answer.status >= 200]
    assert len(answers) == (2 if waits else 3)
    for answer in answers[-2:]:
        assert answer.status == 200
        assert not {"Authorization", "Expect"} & echoed(answer)["headers"].keys()


@pytest.mark.parametrize(("length", "body"), BODIES)
@pytest.mark.parametrize("before", [b"", INLINE, POOL, INLINE + POOL + INLINE])
def test_a_client_that_waits_gets_100_before_it_sends_the_body(
    tcp: InternalAPIServer, length: bytes, body: bytes, before: bytes
) -> None:
    with talking(tcp) as conversation:
        conversation.send(before + post(EXPECT, length))
        for _ in range(before.count(b"GET")):
            assert conversation.next().status == 200
        assert conversation.next().status == 100
        conversation.send(body[:3], body[3:], pause=0.01)
        assert echoed(conversation.next())["body"] == "hello"
        conversation.send(LAST)
        assert statuses(conversation.rest()) == [200]


@pytest.mark.parametrize(("length", "body"), BODIES)
def test_a_client_that_does_not_wait_gets_one_response(tcp: InternalAPIServer, length: bytes, body: bytes) -> None:
    assert final(tcp, post(EXPECT, length, body=body) + INLINE + LAST) == [200] * 3
    assert final(tcp, INLINE + POOL + post(EXPECT, length, body=body) + LAST) == [200] * 4


def test_each_request_gets_its_own_100(tcp: InternalAPIServer) -> None:
    with talking(tcp) as conversation:
        for _ in range(3):
            conversation.send(post(EXPECT, LENGTH))
            assert conversation.next().status == 100
            conversation.send(b"hello")
            assert conversation.next().status == 200


def test_http_1_0_gets_no_100(tcp: InternalAPIServer) -> None:
    assert statuses(converse(tcp, post(EXPECT, LENGTH, body=b"hello", version=b"HTTP/1.0"))) == [200]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (post(EXPECT, b"Content-Length: 99999999"), {413}),
        (post(EXPECT, b"Content-Length: " + b"9" * 5000), {400, 413}),
        (post(EXPECT, b"Content-Length: +5"), {400}),
        (post(EXPECT, LENGTH, LENGTH), {400}),
        (post(EXPECT, LENGTH, CHUNKED), {400}),
        (post(EXPECT, b"Transfer-Encoding: gzip"), {400, 501}),
        (post(EXPECT, b"Transfer-Encoding: chunked, chunked"), {400, 501}),
        (post(EXPECT, LENGTH, b"no colon"), {400}),
        (request(b"POST /echo HTTP/1.1", EXPECT, LENGTH), {400}),
    ],
)
def test_a_refused_client_gets_only_the_refusal_at_once(
    tcp: InternalAPIServer, head: bytes, expected: set[int]
) -> None:
    *before, answer = converse(tcp, INLINE + POOL + head)
    assert statuses(before) == [200, 200]
    assert answer.status in expected


def test_over_the_memory_limit_for_bodies_the_client_is_asked_to_retry(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lmcache_internal.serving.memory.MAX_BODIES_BYTES", 100)
    length = b"Content-Length: 60"
    with talking(tcp) as first, talking(tcp) as second:
        first.send(post(EXPECT, length))
        assert first.next().status == 100
        second.send(post(EXPECT, length))
        refusal = second.next()
        assert (refusal.status, refusal.headers["retry-after"]) == (503, "1")
        assert json.loads(refusal.body)["message"] == "Too many request bodies are being received"
        assert second.rest() == []  # The connection is closed, because its body was not read.
        first.send(b"x" * 60)
        assert first.next().status == 200
    assert final(tcp, post(EXPECT, length, body=b"x" * 60) + LAST) == [200] * 2


@pytest.mark.parametrize("value", [b"200-ok", b"100-continue, x", b"x=y", b"", b"100", b"100-continue;q=1"])
def test_another_expectation_is_refused_or_ignored(tcp: InternalAPIServer, value: bytes) -> None:
    sent = post(b"Expect: " + value, LENGTH, b"Connection: close", body=b"hello")
    assert final(tcp, INLINE + sent) in ([200, 200], [200, 417], [200, 400])


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[InternalAPIServer]:
    """Yield a server that requires a token; no client has one."""
    (tmp_path / "tokens.yaml").write_text("tokens: []\n")
    (tmp_path / "tokens.yaml").chmod(0o600)
    with serving(tmp_path, internal_api_server_tokens_file=str(tmp_path / "tokens.yaml")) as server:
        yield server


@pytest.mark.parametrize("secret", [[], [SECRET]])
@pytest.mark.parametrize("length", [LENGTH, CHUNKED])
def test_an_unauthorized_client_is_refused_before_it_sends_the_body(
    guarded: InternalAPIServer, secret: list[bytes], length: bytes
) -> None:
    with talking(guarded) as conversation:
        conversation.send(post(EXPECT, length, *secret))
        answer = conversation.next()
    assert answer.status == 401
    assert set(json.loads(answer.body)) == {"error", "message"}


def test_the_thread_of_the_request_before_does_not_send_100_to_an_unauthorized_client(
    guarded: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow(list[Any]):
        """A request list with a slow `pop`: the next head arrives while a thread finishes a request."""

        def pop(self, *arguments: Any) -> Any:
            removed = super().pop(*arguments)
            time.sleep(0.2)
            return removed

    class Channel(connection.Channel):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.requests = Slow()

    monkeypatch.setattr(acceptor, "Channel", Channel)
    with talking(guarded) as conversation:
        conversation.send(get(b"/metrics"))
        assert conversation.next().status == 200
        conversation.send(post(EXPECT, LENGTH))
        assert conversation.next().status == 401


def test_a_100_that_waits_for_the_client_counts_as_unread(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = unread_connections(monkeypatch)
    with talking(tcp) as conversation:
        conversation.send(POOL + post(EXPECT, LENGTH))
        assert eventually(lambda: bool(made) and bool(made[0].body_bytes))
        assert eventually(lambda: made[0].held_bytes == made[0].total_outbufs_len > 0)
        made[0].drop()
