"""The connection limit: which connection is closed for a new one, and which is refused."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor
from lmcache_internal.serving.connection import Channel
from tests.serving.support import INLINE, POOL, Hold, get, holding, serving
from tests.support import eventually
from tests.wire import Conversation, talking

SLOW = get(b"/slow")
PROBE = get(b"/livez")


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InternalAPIServer]:
    """Yield a server with a limit of two connections, and two extra ones."""
    monkeypatch.setattr(acceptor, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(acceptor, "EXTRA_CONNECTIONS", 2)
    with serving(tmp_path) as server:
        yield server


@pytest.fixture
def hold(small: InternalAPIServer) -> Iterator[Hold]:
    with holding(small) as made:
        yield made


def occupy(hold: Hold, *conversations: Conversation) -> None:
    """Start a request on each connection that ends when `hold` is released."""
    for conversation in conversations:
        conversation.send(INLINE)
        assert conversation.next().status == 200
        conversation.send(SLOW)
        assert hold.begun.acquire(timeout=10)


def are_busy(server: InternalAPIServer, count: int) -> bool:
    """Whether `count` connections have a request."""
    channels = server._listeners[0]._transport._loop.values()
    return sum(isinstance(channel, Channel) and bool(channel.requests) for channel in channels) == count


def has_unread(server: InternalAPIServer) -> bool:
    """Whether a connection has unread responses."""
    channels = server._listeners[0]._transport._loop.values()
    return any(isinstance(channel, Channel) and channel.total_outbufs_len for channel in channels)


def test_when_all_connections_are_busy_probes_are_served_and_others_are_refused(
    small: InternalAPIServer, hold: Hold
) -> None:
    with talking(small) as first, talking(small) as second:
        occupy(hold, first, second)
        for request, status in ((PROBE, 200), (INLINE, 503), (POOL, 503), (PROBE, 200)):
            with talking(small) as third:
                third.send(request)
                answer = third.next()
                assert answer.status == status
                assert status == 200 or b"All 2 connections are busy" in answer.body
        hold.released.set()
        assert first.next().status == second.next().status == 200


def test_a_client_waits_while_the_extra_connections_are_busy_too(small: InternalAPIServer, hold: Hold) -> None:
    released = threading.Event()
    manager: Any = small.app.state.lmcache_adapter  # type: ignore[union-attr]  # The server is enabled.
    manager.is_healthy = lambda: released.wait(30)
    with contextlib.ExitStack() as stack:
        stack.callback(released.set)
        conversations = [stack.enter_context(talking(small)) for _ in range(2)]
        occupy(hold, *conversations)
        for busy in (3, 4):
            conversations.append(stack.enter_context(talking(small)))
            conversations[-1].send(get(b"/readyz"))
            assert eventually(partial(are_busy, small, busy))  # The server has read it.
        waiting = stack.enter_context(talking(small))
        waiting.send(PROBE)
        with pytest.raises(TimeoutError):
            waiting.next(patience=0.2)
        released.set()
        hold.released.set()
        assert [conversation.next().status for conversation in (*conversations, waiting)] == [200] * 5


@pytest.mark.parametrize("request_", [INLINE, POOL])
def test_an_idle_connection_is_closed_for_a_new_one(small: InternalAPIServer, hold: Hold, request_: bytes) -> None:
    with talking(small) as busy, talking(small) as idle:
        occupy(hold, busy)
        idle.send(INLINE)
        assert idle.next().status == 200
        with talking(small) as third:
            third.send(request_)
            assert third.next().status == 200
        assert idle.rest() == []  # The server has closed it.
        hold.released.set()
        assert busy.next().status == 200


def test_an_extra_connection_that_reads_nothing_gives_way_to_a_probe(small: InternalAPIServer, hold: Hold) -> None:
    with contextlib.ExitStack() as stack:
        occupy(hold, *[stack.enter_context(talking(small)) for _ in range(2)])
        for _ in range(2):
            stack.enter_context(talking(small)).send(PROBE * 1500)
            assert eventually(partial(has_unread, small))
        probe = stack.enter_context(talking(small))
        probe.send(PROBE)
        assert probe.next(patience=5).status == 200
