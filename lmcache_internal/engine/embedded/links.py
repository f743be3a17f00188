"""The scheduler's connections to workers in other processes: lookups and requests over a pipe."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import msgspec

from ...redaction.log_lines import get_logger
from .cache_engine import EmbeddedEngine

logger = get_logger(__name__)

RESPONSE_SECONDS = 5.0
"""Timeout of the scheduler for the response of a worker, which may be stopped or stuck."""


class _Call(msgspec.Struct, array_like=True):
    number: int
    action: str
    tokens: list[int]


class WorkerLink:
    """The scheduler's end; a worker that does not respond has found no tokens.

    Args:
        connection: a pipe to a worker that runs `serve_link`.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._sent = self._received = 0
        self._lost = False

    def lookup(self, tokens: Sequence[int]) -> int:
        """Return the number of tokens of the prefix that the worker has cached."""
        with self._lock:
            return (self._receive() or 0) if self._send("lookup", tokens) else 0

    def run(self, tokens: Sequence[int]) -> None:
        """Send a request to the worker, without waiting: it retrieves the cached tokens and stores the others."""
        with self._lock:
            self._send("run", tokens)

    def _send(self, action: str, tokens: Sequence[int]) -> bool:
        # One call at a time: if a stopped worker let the pipe fill up, the scheduler would block.
        if self._lost or (self._received < self._sent and self._receive() is None):
            return False
        self._sent += 1
        try:
            self._connection.send_bytes(msgspec.json.encode(_Call(self._sent, action, list(tokens))))
        except OSError:
            self._lost = True
        return not self._lost

    def _receive(self) -> int | None:
        """Return the result of the last call; None after the timeout or if the connection is lost."""
        deadline = time.monotonic() + RESPONSE_SECONDS
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
    """Serve the scheduler's calls in a thread of the worker until the scheduler closes the connection.

    Args:
        connection: the worker's end.
        engine: the worker's engine.

    Returns:
        The started daemon thread.
    """
    thread = threading.Thread(target=_serve, args=(connection, engine), name="lookup-server", daemon=True)
    thread.start()
    return thread


def _serve(connection: Connection, engine: EmbeddedEngine) -> None:
    while True:
        try:
            call = msgspec.json.decode(connection.recv_bytes(), type=_Call)
            connection.send_bytes(msgspec.json.encode((call.number, _execute(call, engine))))
        except (EOFError, OSError):
            return


def _execute(call: _Call, engine: EmbeddedEngine) -> int:
    try:
        if call.action == "lookup":
            return engine.lookup(call.tokens)
        found = sum(engine.retrieve(call.tokens))
        engine.store(call.tokens)
        return found
    except Exception:  # A backend may raise any exception, and scripts may break the engine; serve the next call.
        logger.exception("A %s of %d tokens failed", call.action, len(call.tokens))
        return 0
