"""Loggers whose records stay one line each: no control or bidirectional character of a client reaches a terminal."""

from __future__ import annotations

import logging
import re

# C0, DEL and C1; line and paragraph separators; what reorders text that follows; halves of a surrogate pair.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def get_logger(name: str) -> logging.Logger:
    """The logger of that name, as each module of this package has one: it escapes what it is told."""
    logger = logging.getLogger(name)
    logger.addFilter(escape)
    return logger


def escaped(text: str, keep: str = "") -> str:
    r"""`text` with each control and bidirectional character, but those in `keep`, as `\u202e`; JSON stays JSON."""
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def escaped_trace(text: str) -> str:
    """A traceback, whose lines stay lines."""
    return escaped(text, keep="\n\t")


def escape(record: logging.LogRecord) -> bool:
    """Escape a record's message and traceback; a filter for loggers."""
    message = record.getMessage()
    safe = escaped(message)
    if safe != message:
        record.msg, record.args = safe, ()
    if record.exc_info and not record.exc_text:
        record.exc_text = escaped_trace(logging.Formatter().formatException(record.exc_info))
    return True
