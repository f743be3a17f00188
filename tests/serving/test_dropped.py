"""A connection that ends while its request is served disturbs no other connection."""

from __future__ import annotations

import logging
import queue
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from waitress.channel import ClientDisconnected

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor, connection, transport
from lmcache_internal.serving.cpu_budget import WorkerBudget
from lmcache_internal.serving.memory import ResponseBuffer
from tests.serving.support import POOL, get, post, serving, unread_connections
from tests.support import connect, eventually
from tests.wire import converse, talking


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
    monkeypatch.setattr(
        acceptor.Acceptor, "resume", lambda *_: None
    )  # The event loop does not close it during the test.
    with talking(tcp) as conversation:
        conversation.send(POOL)
        assert outcomes.get(timeout=5) == "disconnected"


def test_a_refused_client_that_resets_the_connection_does_not_disturb_the_event_loop(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    refused, has_closed = threading.Event(), threading.Event()
    made: list[connection.Channel] = []

    class Channel(connection.Channel):
        def _admit(self, request: Any) -> bool:
            admitted = super()._admit(request)
            made.append(self)
            refused.set()
            has_closed.wait(5)
            return admitted

    monkeypatch.setattr(acceptor, "Channel", Channel)
    with connect(tcp) as client:
        client.sendall(b"POST /nothing/here HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
        assert refused.wait(5)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        assert eventually(lambda: not made[0].connected)
    finally:
        has_closed.set()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_an_error_in_a_timeout_closes_only_its_connection(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Channel(connection.Channel):
        def expire(self, now: float) -> None:  # noqa: ARG002  # The signature of the method.
            raise RuntimeError("on purpose")

    monkeypatch.setattr(acceptor, "Channel", Channel)
    with talking(tcp) as conversation:
        assert conversation.rest() == []
    assert "event loop failed" not in caplog.text


def test_a_request_with_an_authorization_that_fails_gets_a_response(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> bool:
        raise RuntimeError("on purpose")

    assert tcp.app is not None
    monkeypatch.setattr(tcp.app.state.gate, "admits", fail)
    (answer,) = converse(tcp, post(b"Content-Length: 5", body=b"hello"))
    assert answer.status == 403


@pytest.mark.parametrize("failing", ["budget", "answer"])
def test_a_request_whose_thread_fails_is_not_left_without_a_response(
    tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("on purpose")

    if failing == "budget":
        monkeypatch.setattr(WorkerBudget, "throttle", fail)
    else:
        monkeypatch.setattr(connection.Channel, "answer", fail)
    assert converse(tcp, POOL) == []


def test_a_connection_that_is_being_made_has_no_body() -> None:
    # waitress registers it before it sets `requests`, and another thread may admit a body at that moment.
    assert connection.Channel.__new__(connection.Channel).body_bytes == 0


def test_a_response_after_a_file_counts_as_unread(tcp: InternalAPIServer, monkeypatch: pytest.MonkeyPatch) -> None:
    made = unread_connections(monkeypatch)
    with talking(tcp) as conversation:
        conversation.send(get(b"/file") + POOL + POOL)
        assert eventually(lambda: bool(made) and len(made[0].outbufs) == 3)
        assert eventually(lambda: made[0].is_idle is False and made[0].requests == [])
        channel = made[0]
        file = sum(len(buffer) for buffer in channel.outbufs if not isinstance(buffer, ResponseBuffer))
        assert channel.held_bytes == channel.total_outbufs_len - file
        assert file == len(b"a file")
        assert 0 <= channel.read_bytes <= channel._sent_bytes
        channel.drop()


def test_a_thread_waits_while_its_client_has_too_much_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HIGH_WATERMARK_BYTES", 1)
    made = unread_connections(monkeypatch)
    with serving(tmp_path) as server, talking(server) as conversation:
        conversation.send(get(b"/stream"))
        assert eventually(lambda: bool(made) and bool(made[0].server.blocked_writers._waiting))
        head_alone = made[0].total_outbufs_len
        time.sleep(0.2)
        assert made[0].total_outbufs_len == head_alone > 0
        assert made[0].server.task_dispatcher.active_count == 1
        made[0].drop()
        assert eventually(lambda: made[0].server.task_dispatcher.active_count == 0)
        assert not made[0].server.blocked_writers._waiting
