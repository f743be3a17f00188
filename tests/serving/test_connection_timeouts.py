"""Each timeout of a connection ends what is late, says what it was, and ends nothing that is in time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, connection
from tests.serving.support import INLINE, LAST, POOL, post, serving
from tests.wire import Answer, statuses, talking

SHORT, LONG = 1.0, 4.0
"""Timeouts in seconds: of a head, of a silent body and of an idle connection; and of a complete body."""
PAUSE = 0.1

HALF_BODY = post(b"Content-Length: 80", body=b"half")
WHOLE = [post(b"Content-Length: 13", b"Connection: close"), *[b"x"] * 13]


class Case(NamedTuple):
    """Packets that a client sends in turn, and what must follow.

    Attributes:
        seconds: the shortest and the longest time in seconds until the server closes the connection.
        late: for each response, the part of the request that it calls late; None if it is no error.
    """

    packets: Sequence[bytes]
    seconds: tuple[float, float]
    late: Sequence[str | None]


CASES = {
    "a head that stops": Case([INLINE[:-2]], (SHORT, LONG), ["head"]),
    "a head that drips": Case([INLINE[:-2], *[b"X: y\r\n"] * 40], (SHORT, LONG), ["head"]),
    "a body that stops": Case([HALF_BODY], (SHORT, LONG), ["body"]),
    "a body that drips": Case([HALF_BODY, *[b"x"] * 60], (LONG, LONG + 3), ["body"]),
    "a body in time": Case(WHOLE, (SHORT, LONG), [None]),
    "idle from the start": Case([], (SHORT, LONG), []),
    "idle after a response": Case([POOL], (SHORT, LONG), [None]),
    "not idle for long": Case([INLINE, *[b""] * 5, INLINE, *[b""] * 5, LAST], (SHORT, LONG), [None, None, None]),
}


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InternalAPIServer]:
    """Yield a server with short timeouts."""
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in ("HEAD_SECONDS", "BODY_SECONDS", "IDLE_SECONDS"):
            patch.setattr(connection, name, SHORT)
        patch.setattr(connection, "MAX_BODY_SECONDS", LONG)
        patch.setattr(acceptor, "SWEEP_SECONDS", 0.05)
        yield stack.enter_context(serving(tmp_path_factory.mktemp("hasty")))


def test_what_is_late_is_ended_and_what_is_in_time_is_not(hasty: InternalAPIServer) -> None:
    def ended(case: Case) -> tuple[float, list[Answer]]:
        with talking(hasty) as conversation:
            began = time.monotonic()
            conversation.send(*case.packets, pause=PAUSE)
            answers = conversation.rest(patience=10)
            return time.monotonic() - began, answers

    with ThreadPoolExecutor(len(CASES)) as threads:
        found = dict(zip(CASES, threads.map(ended, CASES.values()), strict=True))
    for name, (_, (shortest, longest), late) in CASES.items():
        seconds, answers = found[name]
        assert shortest <= seconds < longest, (name, seconds)
        assert (name, statuses(answers)) == (name, [200 if part is None else 408 for part in late])
        for answer, part in zip(answers, late, strict=True):
            assert part is None or f"The {part} of the request did not arrive" in answer.body.decode()


def test_the_timeouts_are_checked_at_intervals_however_many_requests_arrive(
    hasty: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acceptor, "SWEEP_SECONDS", 0.1)
    checked: list[float] = []
    monkeypatch.setattr(connection.Channel, "expire", lambda _channel, now: checked.append(now))
    with talking(hasty) as conversation:
        began = time.monotonic()
        while time.monotonic() < began + 0.5:
            conversation.send(INLINE)
            assert conversation.next().status == 200
    assert 2 <= len(checked) <= 1 + (time.monotonic() - began) / 0.1
