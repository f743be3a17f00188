"""The audit log: each refused and each changing request as one line of JSON."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from datetime import datetime, timezone
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TypedDict

from flask import Request, g

from .. import log_queue
from ..redaction import redact
from ..serialize import encode_json
from .caller import Caller

logger = logging.getLogger("lmcache_internal.audit")
logger.setLevel(logging.INFO)
logger.addFilter(log_queue.divert)

KEPT = 200
_MAX_FILE_BYTES = 10 << 20
_MAX_FILES = 5


class AuditEntry(TypedDict):
    """One request; what its endpoint noted stands beside these.

    Attributes:
        time: when it was answered: ISO 8601, UTC.
        caller: the token's name, or how the client got here.
        level: what the caller may do.
        address: where the client is.
        arguments: of the query, secrets masked; a list where one is repeated.
        outcome: refused, done or failed.
        seconds: how long it took.
    """

    time: str
    caller: str
    level: str
    address: str | None
    method: str
    path: str
    arguments: dict[str, str | list[str]]
    status: int
    outcome: str
    seconds: float


def note(**details: Any) -> None:
    """Add facts to the audit line of this request; secrets in them are masked."""
    g.setdefault("audit_details", {}).update(details)


class _AuditFile(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)

    def doRollover(self) -> None:  # noqa: N802  # logging's name.
        try:
            super().doRollover()
        except OSError:
            # It cannot be renamed, as where it is mounted alone into a container: too long is better than lost.
            self.stream = self._open()


class AuditLog:
    """Writes the lines, and keeps the last of them.

    Args:
        path: a file to write to as well, rotated at 10 MiB, five files kept; or None.

    Attributes:
        recent: the last entries, the oldest first.
    """

    def __init__(self, path: Path | None) -> None:
        self.recent: deque[AuditEntry] = deque(maxlen=KEPT)
        self._file: _AuditFile | None = None
        if path is not None:
            self._file = _AuditFile(
                path, maxBytes=_MAX_FILE_BYTES, backupCount=_MAX_FILES, encoding="utf-8", delay=True
            )

    def record(self, request: Request, caller: Caller | None, status: int, started: float) -> None:
        """Write one request down."""
        entry: AuditEntry = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "caller": caller.name if caller else "unknown",
            "level": str(caller.level) if caller else "none",
            "address": request.remote_addr,
            "method": request.method,
            "path": request.script_root + request.path,
            "arguments": redact(_arguments(request)),
            "status": status,
            "outcome": "refused" if status in (401, 403, 429) else "done" if status < 400 else "failed",
            "seconds": round(time.perf_counter() - started, 6),
            **redact(g.get("audit_details", {})),
        }
        self.recent.append(entry)
        line = encode_json(entry).decode()
        logger.info("%s", line)
        if self._file is not None:
            # A full disk is reported by logging's own handler, and must not fail the request.
            log_queue.handle(self._file, logging.LogRecord(logger.name, logging.INFO, __file__, 0, line, None, None))

    def close(self) -> None:
        """Close the file, if there is one; the next line opens it again."""
        if self._file is not None:
            self._file.close()


def _arguments(request: Request) -> dict[str, str | list[str]]:
    # All values of a repeated one: which of them counts is the endpoint's business.
    given = request.args.to_dict(flat=False)
    return {name: values if len(values) > 1 else values[0] for name, values in given.items()}
