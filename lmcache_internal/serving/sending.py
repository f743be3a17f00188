"""The sending side of a connection: it buffers what the client does not read at once, within limits."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from waitress.channel import ClientDisconnected, HTTPChannel

from .gil_sockets import unacknowledged_bytes
from .header_cache import CachingParser
from .memory import ResponseBuffer
from .request_parser import WireError
from .tasks import AppTask, RefusalTask


class SendingChannel(HTTPChannel):
    """A connection that sends responses."""

    parser_class = CachingParser
    task_class = AppTask
    error_task_class = RefusalTask
    connected: bool
    _sent_bytes = 0
    _has_begun = False
    _is_abandoned = False
    _deadline: tuple[float, Callable[[], str]] | None = None
    _last_activity = 0.0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.outbufs = [ResponseBuffer()]

    @property
    def last_activity(self) -> float:
        """The monotonic time of the last receive, send or served request.

        waitress uses the wall clock. If that jumped by an hour, the connection would seem idle for an hour.
        """
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _: float) -> None:
        self._last_activity = time.monotonic()

    @property
    def held_bytes(self) -> int:
        """The size of its unsent responses, for the server's memory limit."""
        return sum(buffer.held_bytes for buffer in self.outbufs if isinstance(buffer, ResponseBuffer))

    @property
    def read_bytes(self) -> int:
        """The bytes of the current response that the client's system has acknowledged.

        The number of sent bytes is not enough, because the kernel buffers megabytes for a client that reads nothing.
        """
        descriptor = self._fileno  # Read it once, because the event loop may close the connection.
        return self._sent_bytes - (0 if descriptor is None else unacknowledged_bytes(descriptor))

    def write_soon(self, data: Any) -> int:
        """Send as much as possible at once, and buffer the rest."""
        self._begin_response()
        if data and not isinstance(data, bytes):  # A file: waitress reads it in pieces.
            with self.outbuf_lock:
                super().write_soon(data)
                self.outbufs[-1] = ResponseBuffer()  # waitress' own buffer does not count as unread.
            return len(data)
        sent = 0
        if data and not self.total_outbufs_len:
            self.last_activity = 0.0  # From now on, the server waits for the client.
            with self.outbuf_lock:
                sent = self._send_now(data)
        if data and sent < len(data):
            self._flush_outbufs_below_high_watermark()
            self.server.memory.keep(self, memoryview(data)[sent:])
            self.server.resume(self)
        return len(data or b"")

    def keep(self, data: memoryview) -> None:
        """Buffer `data` for the client."""
        with self.outbuf_lock:
            if not self.connected:
                raise ClientDisconnected
            self.outbufs[-1].append(data)
            self.total_outbufs_len += len(data)
            self._flush_exception(self._flush_some, do_close=False)

    def _begin_response(self) -> None:
        if not self._has_begun:
            with self.outbuf_lock:
                self._has_begun = True
        if not self.connected or (self._is_abandoned and not self.server.is_in_loop()):
            raise ClientDisconnected

    def _send_now(self, data: bytes) -> int:
        if not self.connected:
            return 0
        sent, _ = self._flush_exception(partial(self.send, data), do_close=False)
        self._sent_bytes += sent
        return int(sent)

    def _flush_some(self, do_close: bool = True) -> bool:
        with self.outbuf_lock:  # Another thread may drop the connection.
            before = self.total_outbufs_len
            sent = bool(super()._flush_some(do_close))
            self._sent_bytes += before - self.total_outbufs_len
        return sent

    def _flush_outbufs_below_high_watermark(self) -> None:
        if self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return
        try:
            self.server.blocked_writers.add(self)
            with self.outbuf_lock:
                while self.connected and self.total_outbufs_len > self.adj.outbuf_high_watermark:
                    self.server.resume(self)
                    self.outbuf_lock.wait()
        finally:
            self.server.blocked_writers.remove(self)

    def drop(self) -> None:
        """Give up the connection, from any thread: free its buffers at once, and let the event loop close it."""
        with self.outbuf_lock:
            self.outbufs[:] = [ResponseBuffer()]
            self.total_outbufs_len = 0
            self.connected = False
            self.will_close = True
            self.outbuf_lock.notify_all()
        self.server.resume(self)

    def send_504_after(self, seconds: float, explain: Callable[[], str]) -> None:
        """Make the event loop send 504 if the response has not begun after `seconds`. The worker thread calls this.

        Args:
            seconds: the timeout in seconds, from now.
            explain: returns the error message; the event loop calls it.
        """
        self._deadline = (time.monotonic() + seconds, explain)

    def expect_response(self) -> None:
        """Reset the state of the response, because the next request starts."""
        self._has_begun = False
        self._deadline = None
        self._sent_bytes = 0

    def send_504_if_late(self, now: float) -> None:
        """Send 504 if the worker thread of the request is stuck. Later output of the thread is discarded."""
        if self._deadline is None or now < self._deadline[0]:
            return
        with self.outbuf_lock:
            if self._has_begun:
                return
            self._is_abandoned = True
        late = self.parser_class(self.adj)
        late.refuse(WireError(504, "Gateway Timeout", self._deadline[1]()))
        with suppress(ClientDisconnected):  # Another thread has dropped the connection.
            self.error_task_class(self, late).service()
        self.close_when_flushed = True
        self.server.resume(self)
