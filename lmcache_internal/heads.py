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

_parsed: dict[bytes, dict[str, Any]] = {}
_built: dict[tuple[Any, ...], bytes] = {}


class Parser(HTTPRequestParser):
    """Parses a request, or knows it already."""

    def received(self, data: bytes) -> int:
        """Take in `data`; return how much of it belongs to this request."""
        known = None if self.header_plus or self.body_rcv else _parsed.get(data)
        if known is not None:
            self.__dict__.update(known, adj=self.adj, headers=known["headers"].copy())
            return len(data)
        begins = not self.header_plus and not self.body_rcv
        taken = int(super().received(data))
        if begins and taken == len(data) <= _LONGEST_BYTES and self.completed and not self._is_single:
            _keep(_parsed, data, vars(self).copy())
        return taken

    @property
    def _is_single(self) -> bool:
        """Whether it has a body, is wrong, or holds a secret, which is not kept longer than it takes to answer."""
        secret = "AUTHORIZATION" in self.headers or "COOKIE" in self.headers
        return bool(secret or self.error or self.empty or self.body_rcv)


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
