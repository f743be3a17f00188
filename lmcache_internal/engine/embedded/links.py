"""The scheduler's links to workers in other processes: lookups and requests over a pipe."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import msgspec

from ...log_lines import get_logger
from .cache_engine import EmbeddedEngine

logger = get_logger(__name__)

ANSWER_SECONDS = 5.0
"""How long the scheduler waits for a worker, which may be stopped or stuck."""


class _Call(msgspec.Struct, array_like=True):
    number: int
    action: str
    tokens: list[int]


class WorkerLink:
    """The scheduler's end: a worker that does not answer has found nothing.

    Args:
        connection: leads to a worker that `serve_link` answers for.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._sent = self._received = 0
        self._lost = False

    def lookup(self, tokens: Sequence[int]) -> int:
        """How many tokens of the prefix the worker has."""
        with self._lock:
            return (self._receive() or 0) if self._send("lookup", tokens) else 0

    def run(self, tokens: Sequence[int]) -> None:
        """Let the worker serve a request, without waiting for it: it retrieves what it has and stores the rest."""
        with self._lock:
            self._send("run", tokens)

    def _send(self, action: str, tokens: Sequence[int]) -> bool:
        # One call at a time: a worker that is stopped must not fill the pipe, on which the scheduler would hang.
        if self._lost or (self._received < self._sent and self._receive() is None):
            return False
        self._sent += 1
        try:
            self._connection.send_bytes(msgspec.json.encode(_Call(self._sent, action, list(tokens))))
        except OSError:
            self._lost = True
        return not self._lost

    def _receive(self) -> int | None:
        """The result of the last call; None if it does not come in time, or never will."""
        deadline = time.monotonic() + ANSWER_SECONDS
        found = None
        try:
            while self._received < self._sent:
                if not self._connection.poll(max(0.0, deadline - time.monotonic())):
                    return None
                self._received, found = msgspec.json.decode(self._connection.recv_bytes(), type=tuple[int, int])
        except (EOFError, OSError):
            self._lost = True
            return None
        return found


def serve_link(connection: Connection, engine: EmbeddedEngine) -> threading.Thread:
    """Answer the scheduler's calls in a thread of the worker, until the scheduler is gone.

    Args:
        connection: the worker's end.
        engine: the worker's engine.

    Returns:
        The thread, which is started. It is a daemon.
    """
    thread = threading.Thread(target=_serve, args=(connection, engine), name="lookup-server", daemon=True)
    thread.start()
    return thread


def _serve(connection: Connection, engine: EmbeddedEngine) -> None:
    while True:
        try:
            call = msgspec.json.decode(connection.recv_bytes(), type=_Call)
            connection.send_bytes(msgspec.json.encode((call.number, _carry_out(call, engine))))
        except (EOFError, OSError):
            return


def _carry_out(call: _Call, engine: EmbeddedEngine) -> int:
    try:
        if call.action == "lookup":
            return engine.lookup(call.tokens)
        found = sum(engine.retrieve(call.tokens))
        engine.store(call.tokens)
        return found
    except Exception:  # A backend may fail in any way, and scripts may break the engine; the next call must be served.
        logger.exception("A %s of %d tokens failed", call.action, len(call.tokens))
        return 0
