"""The connection limit: which connection is closed for a new one, and which is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor
from tests.serving.support import INLINE, POOL, get, serving
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


def occupy(*conversations: Conversation) -> None:
    """Start a request of 0.8 s on each connection."""
    for conversation in conversations:
        conversation.send(INLINE)
        assert conversation.next().status == 200
        conversation.send(SLOW)
    time.sleep(0.1)  # The server has read them.


def test_when_all_connections_are_busy_probes_are_served_and_others_are_refused(small: InternalAPIServer) -> None:
    with talking(small) as first, talking(small) as second:
        occupy(first, second)
        for request, status in ((PROBE, 200), (INLINE, 503), (POOL, 503), (PROBE, 200)):
            with talking(small) as third:
                third.send(request)
                answer = third.next()
                assert answer.status == status
                assert status == 200 or b"All 2 connections are busy" in answer.body
        assert first.next().status == second.next().status == 200


@pytest.mark.parametrize("request_", [INLINE, POOL])
def test_an_idle_connection_is_closed_for_a_new_one(small: InternalAPIServer, request_: bytes) -> None:
    with talking(small) as busy, talking(small) as idle:
        occupy(busy)
        idle.send(INLINE)
        assert idle.next().status == 200
        with talking(small) as third:
            third.send(request_)
            assert third.next().status == 200
        assert idle.rest() == []  # The server has closed it.
        assert busy.next().status == 200
