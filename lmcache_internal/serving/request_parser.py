"""waitress' request parser, made as strict as RFC 9112 requires. Ambiguous requests are refused."""

from __future__ import annotations

import re
from typing import Any

from waitress.parser import HTTPRequestParser, ParsingError
from waitress.rfc7230 import HEADER_FIELD_RE

from ..operations.error_handlers import body_too_large
from ..settings import MAX_BODY_BYTES

_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^\x00-\x20\x7f]+ HTTP/1\.[01]")
_METHOD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]*")
_BARE_CR_OR_LF = re.compile(rb"\r[^\n]|(?<!\r)\n")
MAX_HEADERS = 100
"""Headers of a request; more are refused (431), because each costs time in the event loop."""
MAX_HEADER_BYTES = 8 << 10
"""Size of one header; a longer one is refused (431), because some headers are split into parts, each with a cost."""
_MAX_LINE_START = 256
_MAX_CHUNK_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 8192


class WireError:
    """The reason why a request is refused before it reaches the app, with the attributes of waitress' own errors.

    Args:
        code: the HTTP status.
        reason: the reason phrase of the status.
        body: the error message.
        retry_after: seconds until the client may try again, or None.
    """

    def __init__(self, code: int, reason: str, body: str, retry_after: int | None = None) -> None:
        self.code = code
        self.reason = reason
        self.body = body
        self.retry_after = retry_after


class Parser(HTTPRequestParser):
    """The parser of one request.

    Attributes:
        admitted: the caller may call the route, so the body is read.
        body_limit: the largest body of the route, in bytes.
        body_withheld: the caller may not call the route, so the body is not read.
    """

    body_rcv: Any
    path = ""  # waitress does not set these if the head cannot be parsed.
    command = ""
    version = "1.1"
    _has_begun = False
    _has_line = False
    admitted = False
    body_limit = MAX_BODY_BYTES
    body_withheld = False

    def received(self, data: bytes) -> int:
        """Parse `data`; return how many of its bytes belong to this request."""
        in_head = self.body_rcv is None
        if in_head and self._has_invalid_start(data):
            return self._refuse_as_bad("The request does not begin with a method", data)
        ended_with_cr = self.header_plus.endswith(b"\r")
        try:
            taken = int(super().received(data))
        except ValueError as error:  # For example a Content-Length of 5,000 digits, or `http://[` as the target.
            return self._refuse_as_bad(str(error)[:200], data)
        if self.error:
            return taken
        if in_head and not self.headers_finished and not self.completed:
            reason = self._head_error(b"\r" + data if ended_with_cr else data)
        else:
            reason = self._chunk_error()
        return self._refuse_as_bad(reason, data) if reason else taken

    def refuse(self, error: WireError) -> None:
        """Complete the request with `error`."""
        self.error = error
        self.completed = True

    def withhold_body(self) -> None:
        """Complete the request without its body."""
        self.body_rcv = None
        self.body_withheld = self.completed = True

    def limit_body(self, limit: int) -> bool:
        """Refuse the request (413) if its body has more than `limit` bytes; return whether it may be read."""
        self.body_limit = limit
        if self.announced_bytes <= limit and not self._is_too_large():
            return True
        self._refuse_as_too_large()
        return False

    @property
    def announced_bytes(self) -> int:
        """The size of the body: its Content-Length, or the largest allowed size if it is chunked."""
        return self.body_limit if self.chunked else int(self.content_length)

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head of a request.

        Raises:
            ParsingError: it is malformed, or the end of the request is ambiguous (400).
        """
        line, *headers = header_plus.removesuffix(b"\r\n\r\n").split(b"\r\n")
        if not _REQUEST_LINE.fullmatch(line):
            raise ParsingError("The first line must be METHOD TARGET HTTP/1.1")
        if len(headers) > MAX_HEADERS or any(len(header) > MAX_HEADER_BYTES for header in headers):
            self._refuse_headers()
            return
        fields = _framing_fields(headers)
        super().parse_header(b"\r\n".join([line, *map(_stripped, headers), b""]))
        _check_framing(fields, self.version)
        connection = self.headers.get("CONNECTION", "").lower().split(",")
        if "close" in (option.strip(" \t") for option in connection):  # waitress compares the whole header.
            self.headers["CONNECTION"] = "close"
            self.connection_close = True

    def _refuse_as_bad(self, reason: str, data: bytes) -> int:
        self.refuse(WireError(400, "Bad Request", f"The request cannot be parsed: {reason}"))
        return len(data)

    def _refuse_headers(self) -> None:
        reason = f"The limits are {MAX_HEADERS} headers, and {MAX_HEADER_BYTES} bytes for each"
        self.refuse(WireError(431, "Request Header Fields Too Large", reason))

    def _is_too_large(self) -> bool:
        chunks: Any = self.body_rcv
        return bool(self.chunked and len(chunks) + chunks.chunk_remainder > self.body_limit)

    def _refuse_as_too_large(self) -> None:
        self.refuse(WireError(413, "Content Too Large", body_too_large(self.body_limit)))

    def _has_invalid_start(self, data: bytes) -> bool:
        if self._has_begun:
            return False
        begins = data.lstrip(b"\r\n")[:1]
        self._has_begun = bool(begins)
        return self._has_begun and not _METHOD.match(begins)

    def _head_error(self, data: bytes) -> str:
        """Return why the incomplete head is invalid, given the new `data`; empty if it is valid so far."""
        if _BARE_CR_OR_LF.search(data):
            return "a line does not end with CR LF"
        if self._has_line or (len(self.header_plus) > _MAX_LINE_START and b"\n" not in data):
            return ""  # The line is already checked. Checking it again with each packet would take quadratic time.
        line, ended, _ = self.header_plus.lstrip(b"\r\n").partition(b"\r\n")
        self._has_line = bool(ended)
        is_possible = _REQUEST_LINE.fullmatch(line) if ended else _may_become_request_line(line.removesuffix(b"\r"))
        return "" if is_possible else "the first line must be METHOD TARGET HTTP/1.1"

    def _chunk_error(self) -> str:
        if not self.chunked:
            return ""
        chunks: Any = self.body_rcv
        if (self.admitted or self.completed) and self._is_too_large():
            self._refuse_as_too_large()
            return ""
        if len(chunks.control_line) > _MAX_CHUNK_LINE_BYTES or len(chunks.trailer) > _MAX_TRAILER_BYTES:
            return "a line between the chunks is too long"
        trailer = chunks.trailer.split(b"\r\n") if chunks.completed else []
        is_valid = all(HEADER_FIELD_RE.match(_stripped(line)) for line in trailer if line.strip())
        return "" if is_valid else "the trailer is not a header"


def _stripped(line: bytes) -> bytes:
    """Return a header without the white space around its value: waitress' pattern takes quadratic time for it."""
    name, colon, value = line.partition(b":")
    return name + colon + value.strip(b" \t")


def _framing_fields(lines: list[bytes]) -> dict[bytes, list[bytes]]:
    """Return the values of the headers that define the end and the host of a request."""
    found: dict[bytes, list[bytes]] = {b"host": [], b"content-length": [], b"transfer-encoding": []}
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            raise ParsingError("A header line begins with white space")
        name, _, value = line.partition(b":")
        values = found.get(name.lower())
        if values is not None:
            values.append(value.strip(b" \t"))
    return found


def _check_framing(fields: dict[bytes, list[bytes]], version: str) -> None:
    # RFC 9112, sections 3.2 (Host), 6.1 (Transfer-Encoding) and 6.3 (both of them, repeated Content-Length).
    if len(fields[b"host"]) > 1 or (version == "1.1" and not fields[b"host"]):
        raise ParsingError("HTTP/1.1 requires exactly one Host header")
    if len(fields[b"content-length"]) > 1:
        raise ParsingError("Content-Length is repeated")
    codings = fields[b"transfer-encoding"]
    if not codings:
        return
    if version != "1.1":
        raise ParsingError(f"HTTP/{version} does not support Transfer-Encoding")
    if fields[b"content-length"]:
        raise ParsingError("Content-Length and Transfer-Encoding contradict each other")
    if b",".join(codings).lower() != b"chunked":
        raise ParsingError("Transfer-Encoding must be chunked, once")


def _may_become_request_line(line: bytes) -> bool:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.partition(b" ")
    is_possible = b"HTTP/1.0".startswith(version) or b"HTTP/1.1".startswith(version)
    return is_possible and bool(not line or _METHOD.fullmatch(method)) and bool(_TARGET.fullmatch(target))
