"""The audit log: each refused and each changing request as one line of JSON."""

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
from ..log_lines import escaped
from ..operations.serialize import encode_json
from ..redaction import MASK, redact, redact_start
from ..system import log_queue
from .audit_handlers import audible_handlers
from .caller import PEER_UID_KEY, Caller

logger = logging.getLogger("lmcache_internal.audit")
logger.setLevel(logging.INFO)

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
        address: where the client is; "uid 1000", the user at the other end, on a Unix socket.
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
    """Add facts to the audit line of this request; secrets in them are masked.

    Raises:
        ValueError: a name is a field that each line has.
    """
    if taken := details.keys() & AuditEntry.__annotations__.keys():
        raise ValueError(f"each audit line has the field {', '.join(sorted(taken))}; choose another name")
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
    """Writes the lines, and keeps the last of them: of changes and of refusals apart, as anybody can cause a refusal.

    Args:
        path: a file to write changes to as well; refusals go to `<path>.refused`. Each is rotated at 10 MiB, and five
            files are kept. None for no files.
    """

    def __init__(self, path: Path | None) -> None:
        self._numbers = itertools.count()
        self._changes = _Kept(path)
        self._refusals = _Kept(path and path.with_name(f"{path.name}.refused"))

    @property
    def recent(self) -> list[AuditEntry]:
        """The last `KEPT` changes and the last `KEPT` refusals, the oldest first."""
        numbered = [*self._changes.entries, *self._refusals.entries]
        return [entry for _, entry in sorted(numbered, key=itemgetter(0))]

    def record(self, request: Request, caller: Caller | None, status: int, started: float) -> None:
        """Write one request down."""
        entry: AuditEntry = {
            "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "caller": caller.name if caller else "unknown",
            "level": str(caller.level) if caller else "none",
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
        for handler in (*audible_handlers(logger), *kept.files):
            # A full disk is reported by logging's own handler, and must not fail the request.
            log_queue.handle(handler, logging.LogRecord(logger.name, logging.INFO, __file__, 0, line, None, None))

    def close(self) -> None:
        """Close the files, if there are any; the next line opens them again."""
        for file in (*self._changes.files, *self._refusals.files):
            file.close()


class _Kept:
    """Entries of one kind, numbered, and the file that they are written to."""

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
