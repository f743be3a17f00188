"""One client's connection: which of its requests is next, what it may hold in memory, and when it is over.

Requests are taken one at a time: what follows on the connection is parsed when the response before it is sent. So a
client that pipelines gets its responses in order, holds no more than one packet of requests, and costs the event loop
one request a round.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from ..system.peer_credentials import peer_of
from .header_cache import CachingParser
from .request_parser import WireError
from .sending import SendingChannel

HEAD_SECONDS = 10.0
"""By then the head of a request must be complete, counted from its first byte (408)."""
BODY_SECONDS = 30.0
"""How long a client may send nothing of a body that is incomplete (408)."""
MAX_BODY_SECONDS = 300.0
"""By then a body must be complete, however steadily it arrives (408)."""
IDLE_SECONDS = 120.0
"""How long a connection may be silent between two requests."""
STALLED_SECONDS = 30.0
"""How long a client may read nothing of a response that waits for it."""
LINGER_SECONDS = 1.0
"""How long a refused client may still send, so that it gets to read why it was refused."""
MAX_IGNORED_BYTES = 16 << 20
"""How much it may send meanwhile; all of it is dropped."""
MAX_UNREAD_AHEAD = 64 << 10
"""With more than that unread, the next request of the connection does not begin."""


class Channel(SendingChannel):
    """A connection.

    Attributes:
        refused: its request was refused while the client may still be sending.
        lingering: the response is sent; what the client still sends is dropped.
        is_spare: it came when the server was full: probes are served, all else is refused.
        peer_uid: user id at the other end of a Unix socket; None on TCP.
    """

    request: CachingParser | None
    refused = False
    lingering = False
    _input: bytes = b""
    _began = 0.0
    _may_still_send = MAX_IGNORED_BYTES

    def __init__(self, server: Any, sock: socket.socket, *rest: Any, is_spare: bool = False, **options: Any) -> None:
        self.peer_uid = peer_of(sock).uid if sock.family == socket.AF_UNIX else None
        self.is_spare = is_spare
        super().__init__(server, sock, *rest, **options)

    @property
    def body_bytes(self) -> int:
        """What the body of its request counts in the server's memory."""
        request = self.request or next(iter(self.requests), None)
        return request.announced_bytes if request is not None and request.admitted else 0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being received, served or answered."""
        return not (self.requests or self.total_outbufs_len or self.request or self._input)

    @property
    def gives_way(self) -> bool:
        """Whether it may be closed for another client: it is idle, or its request is incomplete."""
        return not (self.requests or self.total_outbufs_len or self._input)

    # Receiving

    def readable(self) -> bool:
        """Whether more input can be used now."""
        return not self._input and bool(super().readable())

    def handle_read(self) -> None:
        """Receive a packet."""
        if self.lingering:
            self._drop_input()
        elif data := self.recv(self.adj.recv_bytes):
            self.last_activity = 0.0
            self._input = data
            self.handle_input()

    def handle_input(self) -> None:
        """Take in what was received, up to the end of one request, and begin to answer that."""
        while self._can_proceed():
            if self._take_in():
                self._resume()  # Other connections are served first.
                return

    def _resume(self) -> None:
        if self._can_proceed():
            self.server.resume(self)

    def _can_proceed(self) -> bool:
        is_closing = self.will_close or self.close_when_flushed or not self.connected
        is_blocked = bool(self.requests) or is_closing or self.total_outbufs_len > MAX_UNREAD_AHEAD
        return bool(self._input) and not is_blocked

    def _take_in(self) -> bool:
        """Parse some of the input; whether a request was complete."""
        self._began = self._began or time.monotonic()
        request = self.request = self.request or self.parser_class(self.adj)
        self._input = self._input[request.received(self._input) :]
        if request.empty:
            self.request = None
        elif request.completed:
            self._serve(request)
            return True
        elif request.body_rcv is not None and not request.admitted:
            self._begin(request)
        return False

    def _serve(self, request: CachingParser) -> None:
        self.request = None
        self._began = 0.0
        self.expect_response()
        self._begin(request)

    def _begin(self, request: CachingParser) -> None:
        # A worker thread that ends a request looks, under this lock, whether waitress has queued the next one.
        with self.requests_lock:
            self.requests.append(request)
        self.server.add_task(self)

    def _drop_input(self) -> None:
        # All there is: the client's hangup is handled next, and unread input would then reset the connection.
        with contextlib.suppress(BlockingIOError):
            while self.connected and self._may_still_send >= 0:
                self._may_still_send -= len(self.recv(self.adj.recv_bytes))
        if self.connected and self._may_still_send < 0:
            self.handle_close()

    # Serving: in a worker thread, or in the event loop

    def service(self) -> None:
        """Answer the request, in a worker thread."""
        try:
            self.answer()
        finally:
            self.server.wake(self)

    def answer(self) -> None:
        """Answer the request; where its body is yet to come, find out whether its caller may send it."""
        request = self.requests[0]
        if not request.completed and self._admit(request):
            return
        if self.request is request:
            self.request = None
        super().service()

    def _admit(self, request: Any) -> bool:
        """Whether the body of `request` is read; if not, it is answered without it."""
        if not self.server.admits(self.task_class(self, request).get_environment()):
            request.withhold_body()
            self.refused = True
            return False
        if not self.server.memory.has_room_for_body(request.announced_bytes):
            request.refuse(WireError(503, "Service Unavailable", "Too many request bodies are being received", 1))
            return False
        request.admitted = True
        self._began = time.monotonic()
        if request.expect_continue:
            self.send_continue()
        self.requests.clear()
        return True

    def handle_write(self) -> None:
        """Send what waits, and go on with the next request where enough was read."""
        super().handle_write()
        self._resume()

    # Closing

    def handle_close(self) -> None:
        """Close; but a client that was refused while it was sending first gets to read why.

        Closed with input unread, the kernel would reset the connection, and drop the response.
        """
        if not self.refused or self.total_outbufs_len or not self.connected:
            super().handle_close()
            return
        self.refused = self.will_close = False
        self.lingering = True
        self._input = b""
        self.last_activity = 0.0
        self.socket.shutdown(socket.SHUT_WR)

    def end(self) -> None:
        """Close at once."""
        self.refused = False
        self.handle_close()

    def expire(self, now: float) -> None:
        """Close the connection, or refuse its request, where one of the time limits is over."""
        silent = now - self.last_activity
        if self.lingering:
            self._close_if(silent > LINGER_SECONDS)
        elif self.total_outbufs_len:
            self._close_if(silent > STALLED_SECONDS)
        elif self.requests:
            self.give_up_if_late(now)
        elif not self._began:
            self._close_if(silent > IDLE_SECONDS)
        else:
            self._expire_request(now)

    def _expire_request(self, now: float) -> None:
        reads_body = self.request is not None and self.request.admitted
        age, silent = now - self._began, now - self.last_activity
        is_late = silent > BODY_SECONDS or age > MAX_BODY_SECONDS if reads_body else age > HEAD_SECONDS
        if is_late:
            part = "body" if reads_body else "head"
            late = self.parser_class(self.adj)
            late.refuse(WireError(408, "Request Timeout", f"The {part} of the request did not arrive in time"))
            self._serve(late)
            self.server.resume(self)  # To close it when the response is sent.

    def _close_if(self, is_over: bool) -> None:
        if is_over or not self.connected:
            self.end()
