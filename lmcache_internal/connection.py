"""One client's connection: how its requests are received and refused, and when it is over."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from functools import partial
from typing import Any

from waitress.channel import HTTPChannel
from waitress.task import ErrorTask

from .address import ADDRESS_KEY
from .app import MAX_BODY_BYTES
from .baton import baton, give_way
from .failures import body_too_large
from .heads import HeadTask, Parser
from .inline import INLINE_KEY, HandOver
from .load import LOAD_KEY
from .security.caller import DIRECT_KEY, PEER_UID_KEY, PUBLIC_KEY
from .security.gate import HEADERS
from .serialize import encode_json
from .watch import Superseded, Watch

MAX_IGNORED_BYTES = 16 << 20
"""So much is read and dropped of what a refused client still sends."""
LINGER_SECONDS = 2
IDLE_SECONDS = 120
STALLED_SECONDS = 30
"""How long a client may take nothing of an answer that waits for it."""


class _ErrorTask(ErrorTask):
    """What waitress refuses by itself (bad syntax, too large) gets our error shape."""

    def execute(self) -> None:
        error = self.request.error
        message = body_too_large(MAX_BODY_BYTES) if error.code == 413 else error.body
        body = encode_json({"error": error.reason, "message": message}, indent=2)
        self.status = f"{error.code} {error.reason}"
        self.content_length = len(body)
        self.response_headers.extend([("Content-Type", "application/json"), *HEADERS.items()])
        self.set_close_on_finish()
        self.channel.refused = True
        self.write(body)


class _Task(HeadTask):
    wrote_header: bool

    def execute(self) -> None:
        try:
            super().execute()
        except HandOver:
            raise
        except BaseException as error:  # SystemExit, CancelledError: waitress would neither answer nor close.
            if isinstance(error, Exception):
                raise
            raise RuntimeError(f"{type(error).__name__} ended the request") from error

    def write(self, data: bytes) -> None:
        """Send the head of the answer together with its first bytes: each send lets other threads of the engine in."""
        if data and self.complete and not self.wrote_header and self.has_body and self.content_length == len(data):
            self.channel.write_soon(self.build_response_header() + data)
            self.wrote_header = True
            self.content_bytes_written = len(data)
            return
        super().write(data)

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[INLINE_KEY] = self.channel.answers_inline
        environ[ADDRESS_KEY] = self.channel.server.address
        environ[LOAD_KEY] = self.channel.server.task_dispatcher.load
        environ[DIRECT_KEY] = True
        environ[PUBLIC_KEY] = self.channel.server.public
        environ[PEER_UID_KEY] = self.channel.peer_uid
        return environ


class Channel(HTTPChannel):
    """A connection.

    Attributes:
        refused: its request was refused by waitress itself; the client may still be sending.
        ignoring: what the client sends is read and dropped.
        peer_uid: user id at the other end of a Unix socket; None on TCP.
        is_inline: the loop's own thread shall answer the request at the head.
        answers_inline: it does so now.
    """

    parser_class = Parser
    task_class = _Task
    error_task_class = _ErrorTask
    refused = False
    ignoring = False
    is_inline = False
    answers_inline = False
    _may_still_send = MAX_IGNORED_BYTES
    _last_activity = 0.0

    def __init__(self, server: Any, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        self.peer_uid = _peer_uid(sock)
        super().__init__(server, sock, *arguments, **options)

    @property
    def last_activity(self) -> float:
        """When something was last received, sent or served, by the monotonic clock.

        waitress sets it to the wall clock's time, and an hour's jump of that would look like an hour's silence.
        """
        return self._last_activity

    @last_activity.setter
    def last_activity(self, _: float) -> None:
        self._last_activity = time.monotonic()

    def is_over(self, now: float) -> bool:
        """Whether the client has been silent, or has left its answer unread, for too long."""
        silent = now - self.last_activity
        if self.ignoring:
            return silent > LINGER_SECONDS
        if self.total_outbufs_len:
            return silent > STALLED_SECONDS or not self.connected
        return not self.requests and silent > IDLE_SECONDS

    def _flush_some(self, do_close: bool = True) -> bool:
        sent = bool(super()._flush_some(do_close))
        if sent and self.connected and not self.total_outbufs_len:
            self.outbufs[-1].prune()  # It would be kept until the client's next request.
        return sent

    def write_soon(self, data: Any) -> int:
        """Send what can be sent, keep the rest."""
        if self.total_outbufs_len:
            return int(super().write_soon(data))
        self.last_activity = 0.0  # From now on, it is the client who makes us wait.
        left = data
        if isinstance(data, bytes):
            with self.outbuf_lock:
                left = data[self._send_now(data) :]
        return len(data) if data and not left else len(data) - len(left) + int(super().write_soon(left))

    def _send_now(self, data: bytes) -> int:
        """Send without a buffer in between; how many bytes went, be it none."""
        if not (data and self.connected):
            return 0
        sent, _ = self._flush_exception(partial(self.send, data), do_close=False)
        return int(sent)

    def _flush_outbufs_below_high_watermark(self) -> None:
        if self.total_outbufs_len <= self.adj.outbuf_high_watermark:
            return
        if not self.server.waiting_for_readers.acquire(blocking=False):
            # The sweep closes it: to somebody who reads nothing, no close could be written.
            self.connected = False
            return
        try:
            super()._flush_outbufs_below_high_watermark()
        finally:
            self.server.waiting_for_readers.release()

    def handle_close(self) -> None:
        """Close; but a client that was refused while it was sending first gets to read why.

        Closed with input unread, the kernel would reset the connection and with it the answer.
        """
        if not self.refused or self.total_outbufs_len or not self.connected:
            super().handle_close()
            return
        self.refused = self.will_close = False
        self.ignoring = True
        self.last_activity = 0.0
        self.socket.shutdown(socket.SHUT_WR)

    def handle_read(self) -> None:
        """Receive, or drop what is received."""
        if not self.ignoring:
            super().handle_read()
            self._answer_inline()
            return
        # All there is: the client's own hangup is handled next, and what is unread then resets the connection.
        with contextlib.suppress(BlockingIOError):
            while self.connected and self._may_still_send >= 0:
                self._may_still_send -= len(self.recv(self.adj.recv_bytes))
        if self.connected and self._may_still_send < 0:
            self.handle_close()

    def _answer_inline(self) -> None:
        while self.is_inline:
            self.is_inline, self.answers_inline = False, True
            watch = self.server.watch
            watch.begin(self.requests[0].path)
            try:
                self.service()
            except HandOver as handed:
                handed.__traceback__ = None  # Flask's frame holds it: only the garbage collector would free them.
                self.server.queue_task(self)
            finally:
                self.answers_inline = False
                self._give_back(watch)

    def service(self) -> None:
        """Answer the request at the head."""
        if self.answers_inline:
            super().service()
            return
        baton.take()
        give_way(self.server.is_awaited)
        try:
            super().service()
        finally:
            baton.pass_on()

    def _give_back(self, watch: Watch) -> None:
        try:
            watch.end()
        except Superseded:
            self.server.release(self)
            raise

    def is_idle(self) -> bool:
        """Whether no request is being received, served or answered."""
        return not (self.requests or self.total_outbufs_len or self.request)


def _peer_uid(connection: socket.socket) -> int | None:
    """The user id at the other end of a Unix socket, from the kernel; see unix(7), SO_PEERCRED."""
    if connection.family != socket.AF_UNIX:
        return None
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
