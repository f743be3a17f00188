"""Loggers that escape control and bidirectional characters, so that a client cannot forge lines or mislead readers."""

from __future__ import annotations

import logging
import re

# C0, DEL and C1; line and paragraph separators; characters that reorder text; unpaired surrogates.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def get_logger(name: str) -> logging.Logger:
    """Return the logger of that name, which escapes its records. Every module of this package uses such a logger."""
    logger = logging.getLogger(name)
    logger.addFilter(escape)
    return logger


def escaped(text: str, keep: str = "") -> str:
    r"""Escape control and bidirectional characters as `\u202e`, which is also valid in JSON.

    Args:
        text: the text.
        keep: characters that are not escaped.
    """
    return _UNSAFE.sub(lambda found: found[0] if found[0] in keep else f"\\u{ord(found[0]):04x}", text)


def escaped_trace(text: str) -> str:
    """Escape a traceback, but keep its line breaks and tabs."""
    return escaped(text, keep="\n\t")


def escape(record: logging.LogRecord) -> bool:
    """Escape the message and the traceback of a record. Use it as a filter of a logger."""
    message = record.getMessage()
    safe = escaped(message)
    if safe != message:
        record.msg, record.args = safe, ()
    if record.exc_info and not record.exc_text:
        record.exc_text = escaped_trace(logging.Formatter().formatException(record.exc_info))
    return True
