"""Heads that arrive byte by byte must not cost so much CPU time that other clients wait."""

from __future__ import annotations

import time
from typing import Any

import pytest
from waitress.adjustments import Adjustments
from waitress.parser import HTTPRequestParser

from lmcache_internal.serving.connection import Channel

HEAD_BYTES = 20_000
MOST_TIMES = 5
"""The largest cost of the server's parser, as a multiple of waitress' own. Both copy the head at each byte."""


def seconds(parser_class: Any, sent: bytes) -> float:
    parser = parser_class(Adjustments(max_request_header_size=64 << 10))
    began = time.thread_time()
    for place in range(len(sent)):
        parser.received(sent[place : place + 1])
    assert not parser.completed
    return time.thread_time() - began


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /version HTTP/1.1\r\nHost: localhost\r\nX: ".ljust(HEAD_BYTES, b"y"),
        b"GET /version HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * (HEAD_BYTES // 6),
        b"GET /".ljust(HEAD_BYTES, b"x"),
    ],
    ids=["value", "lines", "target"],
)
def test_a_head_costs_little_more_than_with_plain_waitress(sent: bytes) -> None:
    ours, theirs = seconds(Channel.parser_class, sent), seconds(HTTPRequestParser, sent)
    assert ours < MOST_TIMES * theirs + 0.2
