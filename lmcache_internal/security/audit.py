"""The audit log: one line of JSON for each request that is refused or that changes something."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections import deque
from datetime import datetime, timezone
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from operator import itemgetter
from pathlib import Path
from typing import Any, TypedDict

from flask import Request, current_app, g

from ..conversion import cut
from ..operations.serialize import encode_json
from ..redaction import MASK, redact, redact_start
from ..redaction.log_lines import escaped
from ..system import log_queue
from .audit_handlers import audit_handlers
from .caller import PEER_UID_KEY, Caller

logger = logging.getLogger("lmcache_internal.audit")
logger.setLevel(logging.INFO)

KEPT = 200
"""The number of changes, and of refusals, that `GET /audit` returns."""
MAX_TEXT = 2048
"""The maximum length of the path, and of the name and value of an argument together, in characters."""
MAX_ARGUMENTS = 8
"""The maximum number of arguments in an entry."""
MAX_VALUES = 4
"""The number of values of a repeated argument in an entry: the last ones, because endpoints usually use the last."""
MAX_DETAILS = 16_384
"""The maximum length of the facts that the endpoint adds, in characters of JSON."""
_MAX_FILE_BYTES = 10 << 20
_MAX_FILES = 5


class AuditEntry(TypedDict):
    """One request. The facts that its endpoint adds are further fields.

    Attributes:
        time: the time of the response, in ISO 8601, UTC.
        caller: the name of the token, or the kind of connection: see `Caller`.
        level: the role of the caller.
        address: the IP address of the client; on a Unix socket, its user, such as "uid 1000".
        path: the path, cut to `MAX_TEXT` characters, with secrets masked.
        arguments: the query parameters, cut and masked in the same way; a list if a parameter is repeated.
        outcome: refused, done or failed.
        seconds: the duration of the request.
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
    """Add facts to the audit line of this request. Secrets in them are masked.

    Raises:
        ValueError: a name is a field that every line has.
    """
    if taken := details.keys() & AuditEntry.__annotations__.keys():
        raise ValueError(f"every audit line has the field {', '.join(sorted(taken))}; choose another name")
    g.setdefault("audit_details", {}).update(details)


class _AuditFile(RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        def private(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=private)

    def doRollover(self) -> None:  # noqa: N802  # The name in logging.
        try:
            super().doRollover()
        except OSError:
            # A file that is mounted alone into a container cannot be renamed. A long file is better than a lost line.
            self.stream = self._open()


class AuditLog:
    """Writes the lines and keeps the last entries.

    Changes and refusals are kept separately, because any client can cause refusals.

    Args:
        path: a file for changes; refusals go to `<path>.refused`. Each file is rotated at 10 MiB, and five rotated
            files are kept. None for no files.
    """

    def __init__(self, path: Path | None) -> None:
        self._numbers = itertools.count()
        self._changes = _Entries(path)
        self._refusals = _Entries(path and path.with_name(f"{path.name}.refused"))

    @property
    def recent(self) -> list[AuditEntry]:
        """The last `KEPT` changes and the last `KEPT` refusals, oldest first."""
        numbered = [*self._changes.entries, *self._refusals.entries]
        return [entry for _, entry in sorted(numbered, key=itemgetter(0))]

    def record(self, request: Request, caller: Caller | None, status: int, started: float) -> None:
        """Record one request.

        Args:
            request: the request.
            caller: the client; None if it is unknown.
            status: the HTTP status of the response.
            started: the time when the request arrived, from `time.perf_counter`.
        """
        entry: AuditEntry = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "caller": caller.name if caller else "unknown",
            "level": str(caller.role) if caller else "none",
            "address": _address(request),
            "method": cut(request.method),
            "path": redact_start(request.script_root + request.path, MAX_TEXT),
            "arguments": _arguments(request),
            "status": status,
            "outcome": "refused" if status in (401, 403, 429) else "done" if status < 400 else "failed",
            "seconds": round(time.perf_counter() - started, 6),
            **_details(),
        }
        kept = self._refusals if entry["outcome"] == "refused" else self._changes
        kept.entries.append((next(self._numbers), entry))
        line = escaped(encode_json(entry).decode())
        for handler in (*audit_handlers(logger), *kept.files):
            # The handler reports a full disk to stderr; the request must not fail because of it.
            log_queue.handle(handler, logging.LogRecord(logger.name, logging.INFO, __file__, 0, line, None, None))

    def close(self) -> None:
        """Close the files, if there are any. The next line opens them again."""
        for file in (*self._changes.files, *self._refusals.files):
            file.close()


class _Entries:
    """The numbered entries of one kind, and the file for them."""

    def __init__(self, path: Path | None) -> None:
        self.entries: deque[tuple[int, AuditEntry]] = deque(maxlen=KEPT)
        self.files: list[_AuditFile] = []
        if path is not None:
            self.files.append(
                _AuditFile(path, maxBytes=_MAX_FILE_BYTES, backupCount=_MAX_FILES, encoding="utf-8", delay=True)
            )


def _address(request: Request) -> str | None:
    uid = request.environ.get(PEER_UID_KEY)
    return request.remote_addr if uid is None else f"uid {uid}"


def _arguments(request: Request) -> dict[str, str | list[str]]:
    """Return the query parameters: first those that the endpoint takes, so that no others displace them."""
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
    # If the name is cut, it no longer shows whether the value is a secret.
    return MASK if len(name) > MAX_TEXT else redact_start(value, MAX_TEXT - len(name), name)


def _details() -> Any:
    """Return the facts that the endpoint added; if they are long, as text that is cut."""
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
