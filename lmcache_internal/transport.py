"""waitress, fitted to live inside an engine: it holds out under load and leaves nothing behind."""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments

from .acceptor import SWEEP_SECONDS, Acceptor
from .address import Address
from .app import MAX_BODY_BYTES
from .connection import Channel
from .inline import inline_paths
from .loop import Loop
from .pool import Pool
from .share import Share
from .unyielding import is_available
from .watch import Superseded, Watch

logger = logging.getLogger(__name__)

MIN_THREADS = 8
MAX_THREADS = 128
MAX_PROBE_THREADS = 8
MAX_UNREAD_BYTES = 16 << 20
"""With more than that unread, no more is written, nor the next request served, on that connection."""


class Transport:
    """A waitress server on a socket that listens already.

    Args:
        app: the WSGI app.
        listening: the socket; the transport closes it.
        address: what the socket is bound to.
        public: serve public routes only.
        keeps_gil: keep the interpreter's lock while bytes are moved, where the system allows it.
    """

    def __init__(
        self, app: Any, listening: socket.socket, address: Address, public: bool = False, keeps_gil: bool = True
    ) -> None:
        self._dispatcher = Pool(MIN_THREADS, MAX_THREADS)
        self._probes = Pool(1, MAX_PROBE_THREADS)
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
        self._loop = Loop()
        self._watch = Watch(inline_paths(app), self._run_in_thread)
        self._threads: list[threading.Thread] = []
        self._server = Acceptor(
            address,
            public,
            keeps_gil and is_available(),
            self._probes,
            self._watch,
            application=app,
            map=self._loop,
            _sock=listening,
            dispatcher=self._dispatcher,
            adj=adjustments,
            sockinfo=(listening.family, listening.type, None, None),
        )

    def start(self) -> None:
        """Serve until `close`, in threads of its own."""
        self._run_in_thread()
        self._in_thread(self._watch.run, " watch")

    def _run_in_thread(self) -> None:
        self._in_thread(self._run)

    def _in_thread(self, target: Callable[[], None], suffix: str = "") -> None:
        name = f"internal-api-server:{self._server.address.port}{suffix}"
        thread = threading.Thread(target=target, name=name, daemon=True)
        thread.start()
        self._threads = [*filter(threading.Thread.is_alive, self._threads), thread]

    def _run(self) -> None:
        self._watch.lead()
        share = Share()
        while self._loop:
            try:
                self._loop.wait(self._server.sweeps_in)
                self._server.sweep()
                if self._dispatcher.is_busy or self._probes.is_busy:
                    share.let_in()
                else:
                    share.pause()  # It would take our own threads for a busy engine.
            except Superseded:
                return
            except Exception:  # Handlers catch their own; a loop that ended for the rest would serve nobody.
                logger.exception("The server's loop failed; it goes on")
                time.sleep(SWEEP_SECONDS)
        self._loop.close()

    def disown(self) -> None:
        """Close a forked child's copies of the descriptors; nothing is sent, and the parent notices nothing."""
        self._loop.close()
        self._watch.disown()
        wasyncore.close_all(self._loop, ignore_all=True)

    def drain(self, deadline: float) -> None:
        """Stop listening, close idle connections, and wait for busy ones until `deadline`."""
        self._in_loop(self._stop_listening)
        while any(not channel.is_idle() for channel in self._channels()) and time.monotonic() < deadline:
            time.sleep(0.005)

    def close(self, deadline: float) -> None:
        """Close what is open and end the threads; one stuck past `deadline` is left to end by itself."""
        self._in_loop(self._close_all)
        self._watch.close()
        for dispatcher in (self._dispatcher, self._probes):
            dispatcher.shutdown(timeout=max(0.2, deadline - time.monotonic()))
        for thread in self._threads:
            thread.join(timeout=max(1.0, deadline - time.monotonic()))

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

    def _channels(self) -> list[Channel]:
        return list(self._server.active_channels.values())
