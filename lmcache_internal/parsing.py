"""waitress' parser of requests, strict where RFC 9112 asks for it: what can be read in two ways is refused."""

from __future__ import annotations

import re

from waitress.parser import HTTPRequestParser, ParsingError, first_line_re

from .settings import MAX_BODY_BYTES

_METHOD_START = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


class WireError:
    """Why a request is refused before the app sees it; what waitress' own errors look like to its error task.

    Args:
        code: HTTP status.
        reason: its reason phrase.
        body: what was wrong.
        retry_after: seconds after which the client may try again, or None.
    """

    def __init__(self, code: int, reason: str, body: str, retry_after: int | None = None) -> None:
        self.code = code
        self.reason = reason
        self.body = body
        self.retry_after = retry_after


class Parser(HTTPRequestParser):
    """One request.

    Attributes:
        admitted: its caller may call the route, and its body is read.
        body_withheld: its caller may not; the body is not read.
    """

    path = ""  # waitress leaves these unset where the head cannot be parsed.
    command = ""
    admitted = False
    body_withheld = False

    def received(self, data: bytes) -> int:
        """Take in `data`; return how many of its bytes belong to this request."""
        begins = self.body_rcv is None
        try:
            taken = int(super().received(data))
        except ValueError as error:  # Such as a Content-Length of 5,000 digits, or `http://[` as a URI.
            return self.refuse(WireError(400, "Bad Request", f"The request cannot be parsed: {str(error)[:200]}"), data)
        if begins and not self.headers_finished and not self.completed and (reason := _no_http(self.header_plus)):
            return self.refuse(WireError(400, "Bad Request", reason), data)
        return taken

    def refuse(self, error: WireError, data: bytes = b"") -> int:
        """Complete the request with `error`; all of `data` belongs to it."""
        self.error = error
        self.completed = True
        return len(data)

    def withhold_body(self) -> None:
        """Complete the request without its body."""
        self.body_rcv = None
        self.body_withheld = self.completed = True

    @property
    def announced_bytes(self) -> int:
        """The size of the body: as announced, or the largest that a chunked one may have."""
        return MAX_BODY_BYTES if self.chunked else int(self.content_length)

    def parse_header(self, header_plus: bytes) -> None:
        """Parse the head of a request.

        Raises:
            ParsingError: it is malformed, or leaves open where the request ends (400).
        """
        fields = _framing_fields(header_plus)
        super().parse_header(header_plus)
        _check_framing(fields, self.version)
        if _CONTROL.search(self.first_line):
            raise ParsingError("The request line has a control character")


def _framing_fields(head: bytes) -> dict[bytes, list[bytes]]:
    """The values of the headers that decide where a request ends, and whom it is for."""
    found: dict[bytes, list[bytes]] = {b"host": [], b"content-length": [], b"transfer-encoding": []}
    for line in head.split(b"\r\n")[1:]:
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
        raise ParsingError(f"HTTP/{version or '0.9'} has no Transfer-Encoding")
    if fields[b"content-length"]:
        raise ParsingError("Content-Length and Transfer-Encoding contradict each other")
    if b",".join(codings).lower().replace(b" ", b"").replace(b"\t", b"") != b"chunked":
        raise ParsingError("Transfer-Encoding must be chunked, once")


def _no_http(head: bytes) -> str:
    """Why an incomplete head can never become one; empty where it can."""
    head = head.lstrip(b"\r\n")
    line, ended, _ = head.partition(b"\n")
    if not head:
        return ""
    if not _METHOD_START.match(head):
        return "This is no HTTP request; the server speaks plain HTTP, not TLS"
    if head.count(b"\n") != head.count(b"\r\n"):
        return "A line of the head ends without CR LF"
    if ended and not first_line_re.fullmatch(line.rstrip()):
        return "The first line is no HTTP request line"
    return ""
