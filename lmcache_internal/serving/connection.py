"""A client connection: it reads requests, serves them one at a time, and applies the timeouts.

The next request of a connection is parsed after the response to the request before it is sent. So a client that
pipelines gets its responses in order, holds at most one packet of requests, and costs the event loop one request per
round.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

from waitress.channel import ClientDisconnected

from ..system.peer_credentials import peer_of
from .cpu_budget import WorkerBudget
from .header_cache import CachingParser
from .request_parser import WireError
from .sending import SendingChannel

HEAD_SECONDS = 10.0
"""Timeout for the complete head of a request, from its first byte (408)."""
BODY_SECONDS = 30.0
"""Timeout between two packets of a request body (408)."""
MAX_BODY_SECONDS = 300.0
"""Timeout for a complete request body, however steadily it arrives (408)."""
IDLE_SECONDS = 120.0
"""Timeout for an idle connection, between two requests."""
STALLED_SECONDS = 30.0
"""Timeout for a client that does not read its response."""
LINGER_SECONDS = 1.0
"""Time that a refused client may continue to send, so that it can read the refusal."""
_DISCARDED_BYTES = 64 << 10
"""Bytes of a refused client that are discarded per round, so that other connections do not wait."""
MAX_UNREAD_AHEAD = 64 << 10
"""Unread bytes of responses above which the next request of the connection does not start."""


class Channel(SendingChannel):
    """A connection.

    Attributes:
        refused: the request was refused while the client may still be sending it.
        lingering: the response is sent; further input is discarded.
        incoming: the request that is being received. It is not waitress' `request`, because the worker thread that
            finishes the request before it would send 100 Continue for that, without authorization.
        is_over_limit: the server was full when it came; only probes are served.
        peer_uid: the user id of the client on a Unix socket; None on TCP.
        budget: the CPU budget of the thread pool that serves the request.
    """

    incoming: CachingParser | None = None
    budget: WorkerBudget
    refused = False
    lingering = False
    _input: bytes = b""
    _began = 0.0
    requests: Any = ()  # waitress sets it after the connection is registered.

    def __init__(
        self, server: Any, sock: socket.socket, *rest: Any, is_over_limit: bool = False, **options: Any
    ) -> None:
        self.peer_uid = peer_of(sock).uid if sock.family == socket.AF_UNIX else None
        self.is_over_limit = is_over_limit
        super().__init__(server, sock, *rest, **options)

    @property
    def body_bytes(self) -> int:
        """The size of the request body, for the server's memory limit."""
        request = self.incoming or next(iter(self.requests), None)
        return request.announced_bytes if request is not None and request.admitted else 0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being served or answered, and no body is being received."""
        return not (self.requests or self.total_outbufs_len or self._input or self.body_bytes)

    @property
    def is_evictable(self) -> bool:
        """Whether the connection may be closed for a new one: it is idle, or its request is incomplete.

        An extra connection also gives way if its client does not read: otherwise such clients would keep out probes.
        """
        if self.is_over_limit and self.total_outbufs_len:
            return not self.requests
        return not (self.requests or self.total_outbufs_len or self._input)

    # Receiving

    def readable(self) -> bool:
        """Return whether the connection can process more input now."""
        return not self._input and bool(super().readable())

    def handle_read(self) -> None:
        """Receive a packet."""
        if self.lingering:
            self._linger()
        elif data := self.recv(self.adj.recv_bytes):
            self.last_activity = 0.0
            self._input = data
            self.handle_input()

    def handle_input(self) -> None:
        """Parse the received bytes up to the end of one request, and start to serve that request."""
        while self._can_proceed():
            if self._parse_input():
                self._resume()  # Other connections are served first.
                return

    def _resume(self) -> None:
        if self._can_proceed():
            self.server.resume(self)

    def _can_proceed(self) -> bool:
        is_closing = self.will_close or self.close_when_flushed or not self.connected
        is_blocked = bool(self.requests) or is_closing or self.total_outbufs_len > MAX_UNREAD_AHEAD
        return bool(self._input) and not is_blocked

    def _parse_input(self) -> bool:
        """Parse some of the input; return whether a request is complete."""
        self._began = self._began or time.monotonic()
        if self.incoming is None:
            # waitress would parse the empty lines one pair at a time, which takes quadratic time.
            self._input = self._input.lstrip(b"\r\n")
            if not self._input:
                return False
        request = self.incoming = self.incoming or self.parser_class(self.adj)
        self._input = self._input[request.received(self._input) :]
        if request.completed:
            self._serve(request)
            return True
        if request.body_rcv is not None and not request.admitted:
            self._begin(request)
        return False

    def _serve(self, request: CachingParser) -> None:
        self.incoming = None
        self._began = 0.0
        self.expect_response()
        self._begin(request)

    def _begin(self, request: CachingParser) -> None:
        # A worker thread that finishes a request checks under this lock whether waitress has queued the next one.
        with self.requests_lock:
            self.requests.append(request)
        self.server.add_task(self)

    # Serving: in a worker thread, or in the event loop

    def service(self) -> None:
        """Serve the request in a worker thread."""
        try:
            with self.budget.request():
                self.answer()
        except BaseException:  # waitress logs it. Otherwise the client would wait forever.
            self.drop()
            raise
        if self._needs_loop:
            self.server.resume(self)

    @property
    def _needs_loop(self) -> bool:
        """Whether the event loop must continue with the connection. If not, its next packet wakes the event loop.

        Waking the event loop for nothing takes three switches of the GIL, which a busy engine loses.
        """
        is_closing = self.will_close or self.close_when_flushed or not self.connected
        return is_closing or bool(self._input or self.total_outbufs_len) or not self._map.is_registered(self)

    def answer(self) -> None:
        """Serve the request. If its body has not arrived, decide whether the caller may send it."""
        request = self.requests[0]
        if not request.completed and self._admit(request):
            return
        if self.incoming is request:
            self.incoming = None
        super().service()

    def _admit(self, request: Any) -> bool:
        """Return whether to read the body of `request`. If not, the request is answered without it."""
        try:
            limit = self.server.admits(self.task_class(self, request).get_environment())
        except Exception:  # Of any kind: the app fails in the same way, and responds to it.
            limit = 0
        if not limit:
            request.withhold_body()
            self.refused = True
            return False
        if not request.limit_body(limit):
            return False
        if not self.server.memory.admit_body(request):
            request.refuse(WireError(503, "Service Unavailable", "Too many request bodies are being received", 1))
            return False
        self._began = time.monotonic()
        if request.expect_continue:
            with contextlib.suppress(ClientDisconnected):
                self.write_soon(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.requests.clear()
        return True

    def handle_write(self) -> None:
        """Send buffered data, and continue with the next request when the client has read enough."""
        super().handle_write()
        self._resume()

    # Closing

    def handle_close(self) -> None:
        """Close the connection. If the request was refused during its upload, let the client read the response first.

        Closing a socket with unread input resets the connection, so the client would lose the response.
        """
        if self.lingering and self.connected:
            self._linger()
        elif not self.refused or self.total_outbufs_len or not self.connected:
            self.end()
        else:
            self.will_close = False
            self.lingering = True
            self._input = b""
            self.last_activity = 0.0
            try:
                self.socket.shutdown(socket.SHUT_WR)
            except OSError:  # The client has reset the connection.
                self.end()

    def _linger(self) -> None:
        """Discard some input, and close the connection after the last of it."""
        piece = b""
        with contextlib.suppress(OSError):
            piece = self.socket.recv(_DISCARDED_BYTES)
        if not piece:
            self.end()

    def end(self) -> None:
        """Close the connection at once."""
        super().handle_close()

    def expire(self, now: float) -> None:
        """Close the connection, or refuse its request, if a timeout has passed."""
        silent = now - self.last_activity
        if self.lingering:
            self._close_if(silent > LINGER_SECONDS)
        elif self.total_outbufs_len:
            self._close_if(silent > STALLED_SECONDS)
        elif self.requests:
            self.send_504_if_late(now)
        elif not self._began:
            self._close_if(silent > IDLE_SECONDS)
        else:
            self._expire_request(now)

    def _expire_request(self, now: float) -> None:
        reads_body = self.incoming is not None and self.incoming.admitted
        age, silent = now - self._began, now - self.last_activity
        is_late = silent > BODY_SECONDS or age > MAX_BODY_SECONDS if reads_body else age > HEAD_SECONDS
        if is_late:
            part = "body" if reads_body else "head"
            late = self.parser_class(self.adj)
            late.refuse(WireError(408, "Request Timeout", f"The {part} of the request did not arrive in time"))
            self._serve(late)
            self.server.resume(self)  # To close the connection when the response is sent.

    def _close_if(self, is_over: bool) -> None:
        if is_over or not self.connected:
            self.end()
