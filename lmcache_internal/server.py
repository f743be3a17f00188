"""InternalAPIServer: the internal API of one engine process, served by waitress in a thread."""

from __future__ import annotations

import os
import threading
import time
import weakref
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from .app import InternalApp, create_app
from .errors import ServerStartError
from .redaction.log_lines import get_logger
from .serving.listener import identity_of, listen_on, remove_socket_file
from .serving.memory import MemoryBudget
from .serving.transport import Transport
from .settings import Settings
from .settings.address import Address, address_of, public_address_of, serves
from .system.log_queue import LogQueue

logger = get_logger(__name__)

GRACE_SECONDS = 5.0
_LIMITS_HINT = "raise the limits of the process on threads (ulimit -u) and open files (ulimit -n)"


class InternalAPIServer:
    """The server of one scheduler or worker. The constructor binds no address.

    Args:
        manager: an object with the interface of LMCache's `LMCacheManager`.

    Attributes:
        app: the Flask app; None if the server is disabled.
        enable: whether `start` serves, by `internal_api_server_enabled` and
            `internal_api_server_include_index_list`.
        port: `internal_api_server_port_start` + index (0 scheduler, 1 + n worker n).
        socket_path: the Unix socket that is served instead of the port, or None.

    Raises:
        ConfigError: a setting is invalid.
        PluginError: a built-in endpoint file is broken.
    """

    def __init__(self, manager: Any) -> None:
        settings = Settings.of(manager.config)
        self.address = address_of(manager, settings)
        self.port = self.address.port
        self.socket_path = self.address.socket_path
        self.enable = serves(self.address.index, settings)
        self.app: InternalApp | None = create_app(manager) if self.enable else None
        self._public = public_address_of(manager, settings)
        self._settings = settings
        self._listeners: list[_Listener] = []
        self._log_queue: LogQueue | None = None
        self._lock = threading.Lock()
        _servers.add(self)
        if not self.enable:
            logger.info("Internal API server %s is disabled: %s", self.address, _why_disabled(settings))

    def start(self) -> None:
        """Start to serve, and return when connections are accepted. Does nothing if disabled or already started.

        Raises:
            ServerStartError: it cannot listen, or the system has no free thread or file descriptor. The message says
                why and what to do. Everything is closed again.
        """
        with self._lock:
            if self.app is None or self._listeners:
                return
            try:
                self._serve(self.app)
            except ServerStartError:
                self._shut_down(0.0)
                raise
            except (OSError, RuntimeError) as error:
                self._shut_down(0.0)
                raise ServerStartError(f"The internal API server cannot start: {error}; {_LIMITS_HINT}") from error
            if not (self.address.is_private or self.app.state.gate.tokens.in_use):
                logger.warning(
                    "%s can be reached from other machines, and there are no tokens: others can use only public "
                    "routes. Set extra_config.internal_api_server_tokens_file to allow more.",
                    self.address,
                )

    def _serve(self, app: InternalApp) -> None:
        log_queue, memory = LogQueue(), MemoryBudget()
        log_queue.start()
        self._log_queue = log_queue
        for address, public in ((self.address, False), (self._public, True)):
            if address is not None:
                self._listeners.append(_Listener(app, address, self._settings, memory, log_queue, public))

    def stop(self, grace: float = GRACE_SECONDS) -> None:
        """Finish the requests in flight, then close everything. May be called again.

        Args:
            grace: the timeout for requests in flight, in seconds.
        """
        with self._lock:
            self._shut_down(grace)

    def _shut_down(self, grace: float) -> None:
        deadline = time.monotonic() + grace
        for listener in self._listeners:
            listener.drain(deadline)
        for listener in self._listeners:
            listener.close(deadline)
        self._listeners.clear()
        if self._log_queue is not None:
            self._log_queue.end()
            self._log_queue = None
        if self.app is not None:
            self.app.state.gate.audit.close()

    def _reset_after_fork(self) -> None:
        """In a forked child, leave the sockets, the socket file and the connections to the parent."""
        self._lock = threading.Lock()  # Another thread of the parent may have held it during the fork.
        self._log_queue = None
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener.close_descriptors()

    def __enter__(self) -> InternalAPIServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Listener:
    """One served address, with its transport and the thread of its event loop."""

    def __init__(
        self,
        app: InternalApp,
        address: Address,
        settings: Settings,
        memory: MemoryBudget,
        log_queue: LogQueue,
        public: bool,
    ) -> None:
        self._address = address
        listening = listen_on(address)
        with ExitStack() as undo:
            undo.callback(listening.close)
            self._file_identity = (0, 0)
            if address.socket_path:
                self._file_identity = identity_of(address.socket_path)
                undo.callback(remove_socket_file, address.socket_path, self._file_identity)
            self._transport = Transport(app, listening, address, memory, log_queue, public, settings.keep_gil)
            undo.callback(self._transport.close_descriptors)
            self._transport.start()
            undo.pop_all()
        logger.info("Internal API server listens on %s%s", address, " for public routes" if public else "")

    def close_descriptors(self) -> None:
        self._transport.close_descriptors()

    def drain(self, deadline: float) -> None:
        if self._address.socket_path:
            remove_socket_file(self._address.socket_path, self._file_identity)
        self._transport.drain(deadline)

    def close(self, deadline: float) -> None:
        self._transport.close(deadline)
        logger.info("Internal API server on %s stopped", self._address)


_servers: weakref.WeakSet[InternalAPIServer] = weakref.WeakSet()


def _reset_servers_after_fork() -> None:
    # Open copies would keep the port in use and clients waiting after the parent has closed its own.
    for server in list(_servers):
        try:
            server._reset_after_fork()
        except Exception:  # The failure of one server must not leave the descriptors of another open.
            logger.exception("A forked process could not close its copy of %s", server.address)


os.register_at_fork(after_in_child=_reset_servers_after_fork)


def _why_disabled(settings: Settings) -> str:
    if not settings.enabled:
        return "internal_api_server_enabled is false"
    return f"its index is not in internal_api_server_include_index_list {list(settings.include_indices)}"
