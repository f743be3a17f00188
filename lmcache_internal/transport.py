"""waitress, fitted to live inside an engine: it grows under load and leaves nothing behind."""

from __future__ import annotations

import errno
import logging
import math
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, ThreadedTaskDispatcher, WSGITask

from .address import ADDRESS_KEY, Address
from .app import MAX_BODY_BYTES
from .failures import body_too_large
from .load import LOAD_KEY, Load
from .security.caller import DIRECT_KEY, PEER_UID_KEY, PUBLIC_KEY
from .security.gate import HEADERS
from .serialize import encode_json

logger = logging.getLogger(__name__)

MIN_THREADS = 4
MAX_THREADS = 64
MAX_PROBE_THREADS = 8
MAX_IGNORED_BYTES = 16 << 20
LINGER_SECONDS = 2
SWEEP_SECONDS = 1.0
IDLE_SECONDS = 120
STALLED_SECONDS = 30
"""How long a client may take nothing of an answer that waits for it."""
MAX_UNREAD_BYTES = 16 << 20
"""With more than that unread, no more is written, nor the next request served, on that connection."""
MAX_WAITING_FOR_READERS = 8
"""So many threads may wait for clients that do not read; who would make another one wait is cut off."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_PROBES = frozenset({"livez", "readyz", "healthz"})


class _Dispatcher(ThreadedTaskDispatcher):
    """Starts with `least` threads and adds one, up to `limit`, whenever a request would have to wait for another."""

    def __init__(self, least: int, limit: int) -> None:
        super().__init__()
        self._least = least
        self._limit = limit
        self._spare = 0
        self.set_thread_count(least)

    def load(self) -> Load:
        """How busy it is now."""
        with self.lock:
            waited = time.monotonic() - self.queue[0].queued_at if self.queue else 0.0
            return Load(self.active_count, self._limit, len(self.queue), waited)

    def add_task(self, task: Any) -> None:
        with self.lock:
            task.queued_at = time.monotonic()
            self.queue.append(task)
            self.queue_cv.notify()
            threads = len(self.threads) - self.stop_count
            spare = threads - self.active_count - len(self.queue)
            self._spare = min(self._spare, spare)
        if spare < 0 < threads < self._limit:
            self.set_thread_count(threads + 1)

    def start_new_thread(self, target: Any, thread_no: int) -> None:
        try:
            super().start_new_thread(target, thread_no)
        except RuntimeError as error:
            # Where the system gives no more threads, the request waits for one of those there are.
            # waitress would count the one that is missing, and let requests wait for it.
            self.threads.discard(thread_no)
            self.active_count -= 1  # It is about to be counted.
            logger.warning("The server goes on with %d threads: %s", len(self.threads), error)

    def shrink(self) -> None:
        """End the threads beyond `least` that nothing has needed since the last call."""
        with self.lock:
            threads = len(self.threads) - self.stop_count
            unneeded = min(self._spare, threads - self._least)
            self._spare = threads - self.active_count - len(self.queue) - max(0, unneeded)
            if unneeded > 0:
                self.stop_count += unneeded
                self.queue_cv.notify_all()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """End the threads; waitress would wait by the wall clock, for hours where that is set back meanwhile."""
        self.set_thread_count(0)
        with self.lock:
            self.thread_exit_cv.wait_for(lambda: not self.threads, timeout)
        return bool(super().shutdown(cancel_pending, timeout=0))


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


class _Task(WSGITask):
    def execute(self) -> None:
        try:
            super().execute()
        except Exception:
            raise
        except BaseException as error:  # A SystemExit: waitress would neither answer nor ever close the connection.
            raise RuntimeError(f"{type(error).__name__} ended the request") from error

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[ADDRESS_KEY] = self.channel.server.address
        environ[LOAD_KEY] = self.channel.server.task_dispatcher.load
        environ[DIRECT_KEY] = True
        environ[PUBLIC_KEY] = self.channel.server.public
        environ[PEER_UID_KEY] = self.channel.peer_uid
        return environ


class _Channel(HTTPChannel):
    task_class = _Task
    error_task_class = _ErrorTask
    refused = False
    ignoring = False
    _may_still_send = MAX_IGNORED_BYTES
    _last_activity = 0.0

    def __init__(self, server: Any, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(server, sock, *arguments, **options)
        self.peer_uid = _peer_uid(sock)

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

    def write_soon(self, data: Any) -> int:
        if not self.total_outbufs_len:
            self.last_activity = 0.0  # From now on, it is the client who makes us wait.
        return int(super().write_soon(data))

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
        if not self.ignoring:
            super().handle_read()
            return
        self._may_still_send -= len(self.recv(self.adj.recv_bytes))
        if self._may_still_send < 0:
            self.handle_close()

    def is_idle(self) -> bool:
        """Whether no request is being received, served or answered."""
        return not (self.requests or self.total_outbufs_len or self.request)


class _Listener(BaseWSGIServer):
    channel_class = _Channel
    next_channel_cleanup = math.inf  # `sweep` does it.
    _next_sweep = 0.0
    _exhausted_until = 0.0

    def __init__(self, address: Address, public: bool, probes: _Dispatcher, **options: Any) -> None:
        self.address = address
        self.public = public
        self.waiting_for_readers = threading.Semaphore(MAX_WAITING_FOR_READERS)
        self._probes = probes
        self._trigger_lock = threading.Lock()
        super().__init__(**options)

    def pull_trigger(self, thunk: Callable[[], None] | None = None) -> None:
        with self._trigger_lock:
            if not self.trigger._closed:  # Its descriptor may be somebody else's file by now.
                self.trigger.pull_trigger(thunk)

    def close_trigger(self) -> None:
        """Let go of the trigger; the loop ends when nothing else is open."""
        with self._trigger_lock:
            self.trigger.close()

    def add_task(self, task: _Channel) -> None:
        """Let the request at the head of a channel wait for a thread; probes have threads of their own.

        A busy server that left them waiting would be taken for a dead one, and killed.
        """
        path = getattr(task.requests[0], "path", "")  # Bad syntax has none.
        is_probe = path.lstrip("/").partition("/")[0] in _PROBES
        (self._probes if is_probe else self.task_dispatcher).add_task(task)

    def bind_server_socket(self) -> None:
        """Nothing to do: the socket comes bound."""

    def getsockname(self) -> tuple[str, str]:
        return self.address.host, str(self.address.port)

    def fix_addr(self, addr: Any) -> Any:
        return ("localhost", None) if self.family == socket.AF_UNIX else addr

    def set_socket_options(self, conn: socket.socket) -> None:
        if self.family != socket.AF_UNIX:
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def readable(self) -> bool:
        return bool(super().readable()) and time.monotonic() >= self._exhausted_until

    def sweep(self) -> None:
        """Close connections that are over, and end threads that nothing needs; call it often, between two polls.

        In the middle of one, a new connection could get a closed one's descriptor, and with it its events.
        """
        now = time.monotonic()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        for channel in list(self.active_channels.values()):
            if channel.is_over(now):
                channel.refused = False  # It has had its time.
                channel.handle_close()
        for dispatcher in (self.task_dispatcher, self._probes):
            dispatcher.shrink()

    def accept(self) -> Any:
        try:
            return super().accept()
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            # The client stays in the queue, and poll() would report it again and again.
            self._exhausted_until = time.monotonic() + SWEEP_SECONDS
            logger.warning("New connections wait: %s", error.strerror)
            return None

    def handle_error(self) -> None:
        # waitress would close the listening socket because one connection failed.
        logger.exception("A connection could not be accepted")


class Transport:
    """A waitress server on a socket that listens already.

    Args:
        app: the WSGI app.
        listening: the socket; the transport closes it.
        address: what the socket is bound to.
        public: serve public routes only.
    """

    def __init__(self, app: Any, listening: socket.socket, address: Address, public: bool = False) -> None:
        self._dispatcher = _Dispatcher(MIN_THREADS, MAX_THREADS)
        self._probes = _Dispatcher(1, MAX_PROBE_THREADS)
        adjustments = Adjustments(
            ident=None,
            connection_limit=1000,
            max_request_body_size=MAX_BODY_BYTES + 1,
            max_request_header_size=64 << 10,
            # Nothing goes to temporary files: they fail where the disk is full or descriptors are short.
            inbuf_overflow=sys.maxsize,
            outbuf_overflow=sys.maxsize,
            outbuf_high_watermark=MAX_UNREAD_BYTES,
            clear_untrusted_proxy_headers=False,  # Who came through a proxy must be seen as such.
        )
        self._server = _Listener(
            address,
            public,
            self._probes,
            application=app,
            map={},
            _sock=listening,
            dispatcher=self._dispatcher,
            adj=adjustments,
            sockinfo=(listening.family, listening.type, None, None),
        )

    def run(self) -> None:
        """Serve until `close`, with poll(): select() fails at descriptor 1024."""
        while self._server._map:
            try:
                wasyncore.loop(timeout=SWEEP_SECONDS, use_poll=True, map=self._server._map, count=1)
                self._server.sweep()
            except Exception:
                # poll() itself failed, as with more connections than a lowered RLIMIT_NOFILE: it may recover.
                logger.exception("The server's loop failed; it goes on")
                time.sleep(SWEEP_SECONDS)

    def disown(self) -> None:
        """Close a forked child's copies of the descriptors; nothing is sent, and the parent notices nothing."""
        wasyncore.close_all(self._server._map, ignore_all=True)

    def drain(self, deadline: float) -> None:
        """Stop listening, close idle connections, and wait for busy ones until `deadline`."""
        self._in_loop(self._stop_listening)
        while any(not channel.is_idle() for channel in self._channels()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self, deadline: float) -> None:
        """Close what is open and end the threads; one stuck past `deadline` is left to end by itself."""
        self._in_loop(self._close_all)
        for dispatcher in (self._dispatcher, self._probes):
            dispatcher.shutdown(timeout=max(0.2, deadline - time.monotonic()))

    def _in_loop(self, action: Any) -> None:
        """Run `action` in the loop's thread, where nothing else touches the sockets meanwhile."""
        done = threading.Event()

        def run() -> None:
            action()
            done.set()

        self._server.pull_trigger(run)
        done.wait(1.0)

    def _stop_listening(self) -> None:
        wasyncore.dispatcher.close(self._server)
        for channel in self._channels():
            if channel.is_idle():
                channel.handle_close()

    def _close_all(self) -> None:
        for channel in self._channels():
            channel.handle_close()
        self._server.close_trigger()

    def _channels(self) -> list[_Channel]:
        return list(self._server.active_channels.values())


def _peer_uid(connection: socket.socket) -> int | None:
    """The user id at the other end of a Unix socket, from the kernel; see unix(7), SO_PEERCRED."""
    if connection.family != socket.AF_UNIX:
        return None
    _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
