"""Data written to a dropped connection is not buffered."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from waitress.channel import ClientDisconnected

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, connection
from tests.serving.support import POOL
from tests.wire import talking


def test_a_dropped_connection_buffers_nothing(tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes: queue.Queue[str] = queue.Queue()

    class Channel(connection.Channel):
        def write_soon(self, data: Any) -> int:
            self.drop()
            try:
                super().write_soon(data)
            except ClientDisconnected:
                outcomes.put("disconnected")
                raise
            outcomes.put("kept")
            return len(data)

    monkeypatch.setattr(acceptor, "Channel", Channel)
    monkeypatch.setattr(acceptor.Acceptor, "wake", lambda *_: None)  # The event loop does not close it during the test.
    with talking(tcp) as conversation:
        conversation.send(POOL)
        assert outcomes.get(timeout=5) == "disconnected"
