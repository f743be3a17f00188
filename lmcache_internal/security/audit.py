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

from flask import Request, current_app, g

from ..conversion import cut
from ..operations.serialize import encode_json
from ..redaction import MASK, redact, redact_start
from ..system import log_queue
from .caller import Caller

logger = logging.getLogger("lmcache_internal.audit")
logger.setLevel(logging.INFO)
logger.addFilter(log_queue.divert)

KEPT = 200
MAX_TEXT = 2048
"""Characters that are kept of the path, and of an argument: of its name and value together."""
MAX_ARGUMENTS = 8
"""How many arguments are kept."""
MAX_VALUES = 4
"""How many values of a repeated argument are kept: the last ones, since mostly the last one counts."""
MAX_DETAILS = 16_384
"""Characters of JSON that are kept of what the endpoint noted."""
_MAX_FILE_BYTES = 10 << 20
_MAX_FILES = 5


class AuditEntry(TypedDict):
    """One request; what its endpoint noted stands beside these.

    Attributes:
        time: when it was answered: ISO 8601, UTC.
        caller: the token's name, or how the client got here.
        level: what the caller may do.
        address: where the client is.
        path: cut to `MAX_TEXT`, secrets masked, like the arguments.
        arguments: of the query; a list where one is repeated.
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
            "method": cut(request.method),
            "path": redact_start(request.script_root + request.path, MAX_TEXT),
            "arguments": _arguments(request),
            "status": status,
            "outcome": "refused" if status in (401, 403, 429) else "done" if status < 400 else "failed",
            "seconds": round(time.perf_counter() - started, 6),
            **_details(),
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
    """The arguments of the query: those first that the endpoint takes, so that no others hide them."""
    if not request.query_string:
        return {}
    view = current_app.view_functions.get(request.endpoint or "")
    taken = {argument.name for argument in getattr(view, "arguments", ())}
    given = request.args.to_dict(flat=False)
    kept: dict[str, list[str]] = {}
    for name in sorted(given, key=lambda name: name not in taken)[:MAX_ARGUMENTS]:
        values = [_value(name, value) for value in given[name][-MAX_VALUES:]]
        left_out = len(given[name]) - len(values)
        kept.setdefault(redact_start(name, MAX_TEXT), []).extend(
            [*([f"… ({left_out} more)"] if left_out else []), *values]
        )
    if len(given) > MAX_ARGUMENTS:
        kept["…"] = [f"{len(given) - MAX_ARGUMENTS} more arguments"]
    return {name: values if len(values) > 1 else values[0] for name, values in kept.items()}


def _value(name: str, value: str) -> str:
    # A name that is cut might have said that the value is a secret.
    return MASK if len(name) > MAX_TEXT else redact_start(value, MAX_TEXT - len(name), name)


def _details() -> Any:
    """What the endpoint noted; as text, and cut, where it is long."""
    noted = g.get("audit_details")
    if not noted:
        return {}
    details = redact(noted)
    encoded = {name: encode_json(value).decode() for name, value in details.items()}
    if sum(map(len, encoded.values())) <= MAX_DETAILS:
        return details
    room = MAX_DETAILS // len(encoded)
    return {
        name: text if len(text) <= room else f"{text[:room]}… ({len(text) - room} more characters)"
        for name, text in encoded.items()
    }
