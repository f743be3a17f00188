"""Compare the responses of the server and of plain waitress to one stream."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

import h11

from tests.fuzz_wire.differences import (
    REFUSALS,
    may_close_after,
    stricter_than_waitress,
    waitress_closes_needlessly,
)
from tests.fuzz_wire.model import Parsed, requests_in
from tests.fuzz_wire.streams import Stream
from tests.wire import Answer, Conversation, split, take

Connect: TypeAlias = Callable[[], socket.socket]
Expected: TypeAlias = Sequence["Answer | None"]
"""Responses; None is a refusal of any kind, after which the connection is closed."""

TIMEOUT_SECONDS = 30.0
"""Timeout for all responses to a stream."""

# If a request expects 100 Continue and has no body, waitress also uses its head for the next request.
_EXPECT = re.compile(rb"\r\nExpect: 100-continue(?=\r\n)")
_ECHOED_EXPECT = re.compile(rb'"Expect":"100-continue",')


class Servers(NamedTuple):
    """Functions that connect to the server, and to waitress with the same app."""

    ours: Connect
    waitress: Connect

    def disagreement(self, stream: Stream) -> str | None:
        """Return how the responses to `stream` differ; None if they agree or if the difference is expected."""
        whole = _EXPECT.sub(b"", b"".join(stream.packets))
        requests = list(requests_in(whole))
        expected = self._expected(whole, requests)
        try:
            answers = self._answers(stream, requests, expected)
        except (h11.RemoteProtocolError, AssertionError, TimeoutError) as error:
            return f"expected {_listed(expected)}\nanswered {type(error).__name__}: {error}"
        if any(_agree(answers, option, requests) for option in expected):
            return None
        return f"expected {_listed(expected)}\nanswered {_shown(answers)}"

    def _expected(self, whole: bytes, requests: list[Parsed]) -> list[Expected]:
        """Return the responses that the server may send."""
        expected: list[Expected] = []
        for number, request in enumerate(requests):
            if request.is_complete and (rule := stricter_than_waitress(request)):
                expected.append([*self._reference(whole, requests[:number]), None])
                if not rule.may:
                    return expected
        is_cut_off = bool(requests) and not requests[-1].is_complete
        plain = self._reference(whole, requests[:-1] if is_cut_off else requests)
        expected.append(plain)
        if is_cut_off:  # The server may already know that it cannot become a request.
            expected.append([*plain, None])
        return expected

    def _reference(self, whole: bytes, requests: list[Parsed]) -> list[Answer]:
        """Return waitress' responses to these requests; if it closes without need, continue on another connection."""
        answers: list[Answer] = []
        while left := requests[len(answers) :]:
            found = self._ask_waitress(whole[left[0].start : left[-1].end], left)
            answers += found
            if not found or not waitress_closes_needlessly(left[len(found) - 1], found[-1]):
                break
        return answers

    def _ask_waitress(self, sent: bytes, requests: list[Parsed]) -> list[Answer]:
        with self.waitress() as connection:
            conversation = Conversation(connection)
            conversation.send(sent)
            conversation.end()
            with suppress(ConnectionResetError):  # waitress closes although there is more to read.
                conversation.received(TIMEOUT_SECONDS)
            return list(_taken_from(conversation.so_far, requests))

    def _answers(self, stream: Stream, requests: list[Parsed], expected: list[Expected]) -> list[Answer]:
        with self.ours() as connection:
            conversation = Conversation(connection)
            conversation.send(*stream.packets, pause=stream.pause)
            if not all(map(_ends_closed, expected)):
                conversation.end()
            with suppress(ConnectionResetError):
                conversation.received(TIMEOUT_SECONDS)
            received = conversation.so_far
        methods = [request.method or "GET" for request in requests]
        with suppress(h11.RemoteProtocolError, AssertionError):
            return _final(split(received, methods))
        # A broken HEAD may be refused with a body.
        broken = [stricter_than_waitress(request) or request.is_broken for request in requests]
        return _final(split(received, ["GET" if bad else method for bad, method in zip(broken, methods, strict=True)]))


def _taken_from(received: bytes, requests: list[Parsed]) -> Iterator[Answer]:
    """Return the responses that waitress has sent."""
    for request in requests:
        found = take(received, "GET" if request.is_broken else request.method, closed=True) if received else None
        if found is None:
            return
        answer, received = found
        if request.method == "HEAD":
            received = received.removeprefix(b"0\r\n\r\n")  # waitress sends the end of a body that does not exist.
        yield answer


def _final(answers: list[Answer]) -> list[Answer]:
    return [answer for answer in answers if answer.status >= 200]


def _agree(answers: list[Answer], expected: Expected, requests: list[Parsed]) -> bool:
    if answers and len(answers) <= len(expected) and may_close_after(requests[len(answers) - 1], answers[-1]):
        is_early = requests[len(answers) - 1].is_broken  # waitress has read that as part of the body.
        return all(map(_same, answers[:-1] if is_early else answers, expected))
    return len(answers) == len(expected) and all(map(_same, answers, expected))


def _same(answer: Answer, expected: Answer | None) -> bool:
    if expected is None or expected.body.endswith(b"(generated by waitress)"):
        return answer.status in REFUSALS or (expected is None and 400 <= answer.status < 500)
    return (answer.status, _ECHOED_EXPECT.sub(b"", answer.body)) == (expected.status, expected.body)


def _ends_closed(expected: Expected) -> bool:
    """Return whether the server closes after these responses without a request to close."""
    if not expected:
        return False
    last = expected[-1]
    return last is None or (last.headers.get("connection") == "close" and "content-length" in last.headers)


def _listed(expected: list[Expected]) -> str:
    return " or ".join(map(_shown, expected))


def _shown(answers: Expected) -> str:
    return str(["refusal" if answer is None else (answer.status, answer.body[:200]) for answer in answers])
