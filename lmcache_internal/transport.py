"""waitress, fitted to live inside an engine: it grows under load and leaves nothing behind."""

from __future__ import annotations

import logging
import socket
import struct
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
from .serialize import encode_json

logger = logging.getLogger(__name__)

MIN_THREADS = 4
MAX_THREADS = 64
MAX_PROBE_THREADS = 8
MAX_IGNORED_BYTES = 16 << 20
LINGER_SECONDS = 2

_PROBES = frozenset({"livez", "readyz", "healthz"})


class _Dispatcher(ThreadedTaskDispatcher):
    """Starts with few threads and adds one, up to `limit`, whenever a request would have to wait for another."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

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
            short = len(self.queue) > threads - self.active_count
        if short and 0 < threads < self._limit:
            self.set_thread_count(threads + 1)


class _ErrorTask(ErrorTask):
    """What waitress refuses by itself (bad syntax, too large) gets our error shape."""

    def execute(self) -> None:
        error = self.request.error
        message = body_too_large(MAX_BODY_BYTES) if error.code == 413 else error.body
        body = encode_json({"error": error.reason, "message": message}, indent=2)
        self.status = f"{error.code} {error.reason}"
        self.content_length = len(body)
        self.response_headers.append(("Content-Type", "application/json"))
        self.set_close_on_finish()
        self.channel.refused = True
        self.write(body)


class _Task(WSGITask):
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

    def __init__(self, server: Any, sock: socket.socket, *arguments: Any, **options: Any) -> None:
        super().__init__(server, sock, *arguments, **options)
        self.peer_uid = _peer_uid(sock)

    def handle_close(self) -> None:
        """Close; but a client that was refused while it was sending first gets to read why.

        Closed with input unread, the kernel would reset the connection and with it the answer.
        """
        if not self.refused or self.total_outbufs_len or not self.connected:
            super().handle_close()
            return
        self.refused = self.will_close = False
        self.ignoring = True
        self.last_activity = time.time() - self.adj.channel_timeout + LINGER_SECONDS
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

    def __init__(self, address: Address, public: bool, probes: _Dispatcher, **options: Any) -> None:
        self.address = address
        self.public = public
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
        self._dispatcher = _Dispatcher(MAX_THREADS)
        self._probes = _Dispatcher(MAX_PROBE_THREADS)
        adjustments = Adjustments(
            ident=None,
            asyncore_use_poll=True,  # select() kills the loop at descriptor 1024.
            connection_limit=1000,
            max_request_body_size=MAX_BODY_BYTES + 1,
            max_request_header_size=64 << 10,
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
        self._dispatcher.set_thread_count(MIN_THREADS)
        self._probes.set_thread_count(1)

    def run(self) -> None:
        """Serve until `close`."""
        self._server.run()

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
