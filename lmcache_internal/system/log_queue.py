"""A queue for the log records of an event loop, because a handler may block on a full pipe or a slow disk.

Another thread writes the records. A logger with the filter `divert` writes directly in any other thread.
"""

from __future__ import annotations

import logging
import queue
import threading
from logging.handlers import QueueHandler

MAX_RECORDS = 10_000
"""Records that wait to be written. Further records are dropped."""
_FLUSH_SECONDS = 1.0

_own = threading.local()


class LogQueue(QueueHandler):
    """The queue of one server, and the thread that writes its records."""

    def __init__(self) -> None:
        self._records: queue.Queue[logging.LogRecord | None] = queue.Queue(MAX_RECORDS)
        super().__init__(self._records)
        self._thread = threading.Thread(target=self._write, name="internal-api-server log", daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: the system cannot start another thread.
        """
        self._thread.start()

    def use_in_this_thread(self) -> None:
        """Send log records of the calling thread through this queue from now on."""
        _own.log_queue = self

    def end(self) -> None:
        """Write the queued records, for at most one second, and end the thread."""
        try:
            self._records.put(None, timeout=_FLUSH_SECONDS)
        except queue.Full:
            return  # Its handler is blocked.
        if self._thread.ident is not None:
            self._thread.join(_FLUSH_SECONDS)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  # logging's name.
        """Drop the record, because the queue is full."""

    def _write(self) -> None:
        while (record := self._records.get()) is not None:
            target: logging.Handler | None = record.__dict__.pop("diverted_from", None)
            try:
                if target is None:
                    logging.getLogger(record.name).callHandlers(record)
                else:
                    target.handle(record)
            except BaseException:  # Of any kind: otherwise the thread would end, and all further records were lost.
                super().handleError(record)


def divert(record: logging.LogRecord) -> bool:
    """Queue a record if it comes from an event loop's thread; a filter for loggers."""
    log_queue: LogQueue | None = getattr(_own, "log_queue", None)
    if log_queue is None:
        return True
    log_queue.handle(record)
    return False


def handle(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Write a record with `handler`, through the queue if the calling thread runs an event loop."""
    record.__dict__["diverted_from"] = handler
    if divert(record):
        del record.__dict__["diverted_from"]
        handler.handle(record)
