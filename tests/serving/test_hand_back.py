"""A request that arrives while a worker thread finishes the one before it is served exactly once."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import connection
from tests.serving.support import LAST, POOL
from tests.wire import statuses, talking


class Slow(list[Any]):
    """A request list with a slow `pop`."""

    def pop(self, *arguments: Any) -> Any:
        removed = super().pop(*arguments)
        time.sleep(0.1)
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
        time.sleep(0.3)
    assert [record.getMessage() for record in caplog.records if record.name == "waitress"] == []
