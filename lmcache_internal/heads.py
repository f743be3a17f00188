"""The heads of requests and answers that come again and again, byte by byte the same: read once, written once.

A client that asks every few seconds sends the same head each time, and gets the same one back until the
clock moves on. waitress parses and builds them; here is only remembered what came of it, which takes a
tenth of the time. To remove it, delete this file and its two uses in `connection.py`.
"""

from __future__ import annotations

from typing import Any

from waitress.parser import HTTPRequestParser
from waitress.task import WSGITask

_KEPT = 64
_LONGEST_BYTES = 2048
_HARMLESS = {
    *("HOST", "USER_AGENT", "ACCEPT", "ACCEPT_ENCODING", "ACCEPT_LANGUAGE", "CONNECTION", "IF_NONE_MATCH"),
    "X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS",
}

_parsed: dict[bytes, dict[str, Any]] = {}
_built: dict[tuple[Any, ...], bytes] = {}


class Parser(HTTPRequestParser):
    """Parses a request, or knows it already."""

    def received(self, data: bytes) -> int:
        """Take in `data`; return how much of it belongs to this request."""
        begins = not self.header_plus and self.body_rcv is None
        known = _parsed.get(data) if begins else None
        if known is not None:
            self.__dict__.update(known, adj=self.adj, headers=known["headers"].copy())
            return len(data)
        taken = int(super().received(data))
        if begins and taken == len(data) <= _LONGEST_BYTES and self.completed and self._is_harmless(data):
            _keep(_parsed, data, vars(self).copy())
        return taken

    def _is_harmless(self, data: bytes) -> bool:
        """Whether it has no body, and nothing that may be a secret, which is not kept once it is answered."""
        is_understood = not self.error and data.count(b"\r\n") == 2 + len(self.headers)
        return is_understood and self.headers.keys() <= _HARMLESS


class HeadTask(WSGITask):
    """Answers with a head that is built once a second."""

    def build_response_header(self) -> bytes:
        """The head of the answer."""
        connection = self.request.headers.get("CONNECTION")
        asked = (self.version, connection, self.close_on_finish)
        given = (self.status, self.content_length, tuple(self.response_headers), int(self.start_time))
        known = _built.get((asked, given))
        if known is not None:
            return known
        head = bytes(super().build_response_header())
        if not (self.close_on_finish or self.chunked_response):  # To build them has further effects.
            _keep(_built, (asked, given), head)
        return head


def _keep(memo: dict[Any, Any], key: Any, value: Any) -> None:
    if len(memo) >= _KEPT:
        memo.clear()  # Cheaper than to tell which of them is the oldest.
    memo[key] = value
