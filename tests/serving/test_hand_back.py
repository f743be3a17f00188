"""What a worker thread leaves to the event loop after a request: each next request is served exactly once."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import connection
from lmcache_internal.serving.acceptor import Acceptor
from tests.serving.support import LAST, POOL, get, holding
from tests.support import eventually
from tests.wire import statuses, talking


class Slow(list[Any]):
    """A request list with a slow `pop`."""

    def pop(self, *arguments: Any) -> Any:
        removed = super().pop(*arguments)
        time.sleep(0.05)
        return removed


class Channel(connection.Channel):
    """A connection whose worker threads need time to finish a request."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.requests = Slow()


def test_the_next_request_is_served_exactly_once(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lmcache_internal.serving.acceptor.Channel", Channel)
    with talking(tcp) as conversation, caplog.at_level(logging.WARNING):
        for request in (POOL, POOL, POOL, LAST):
            conversation.send(request)
            assert conversation.next().status == 200
        assert statuses(conversation.rest()) == []
        time.sleep(0.1)  # Longer than the last `pop`.
    assert [record.getMessage() for record in caplog.records if record.name == "waitress"] == []


def test_a_response_that_is_sent_does_not_wake_the_event_loop(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = []
    monkeypatch.setattr(Acceptor, "resume", lambda _self, channel: woken.append(channel))
    transport = tcp._listeners[0]._transport
    with talking(tcp) as conversation:
        for _ in range(5):
            conversation.send(POOL)
            assert conversation.next().status == 200
            assert eventually(lambda: transport.busy == 0)  # Only then has the thread decided whether to wake it.
    assert woken == []


def test_a_request_that_arrives_during_the_one_before_is_served(tcp: InternalAPIServer) -> None:
    with talking(tcp) as conversation, holding(tcp) as hold:
        conversation.send(get(b"/slow"))
        assert hold.begun.acquire(timeout=10)
        # The event loop sees the second packet during the first request, and stops watching the connection.
        conversation.send(POOL, pause=0.1)
        hold.released.set()
        assert [conversation.next().status for _ in range(2)] == [200, 200]
