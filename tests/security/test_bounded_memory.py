"""Texts of anonymous clients do not stay in memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest

from lmcache_internal.limits.recent_requests import KEPT, RecentRequests
from lmcache_internal.metrics.exposition import _hint
from lmcache_internal.redaction import redact
from lmcache_internal.security.browser import host_of
from lmcache_internal.security.proxies import came_through_proxy
from tests.support import allocated_bytes

MAX_KEPT_BYTES = 2 << 20


def _names(number: int) -> object:
    return came_through_proxy(tuple(f"HTTP_{number}_{index}_{'X' * 600}" for index in range(100)))


_recent = RecentRequests()


def _method(number: int) -> None:
    _recent.add(f"M{number}" + "X" * 60_000, "/conf", 405, None)


def _arguments(number: int) -> object:
    return redact({f"argument{number}{'x' * 60_000}": "value"})


def _metric(number: int) -> object:
    return _hint(f"{number}" + "x" * 60_000, frozenset({"lmcache:requests"}))


def _host(number: int) -> object:
    return host_of({"HTTP_HOST": f"{number}" + "X" * 8000})


SENT = {
    "names of headers": _names,
    "methods": _method,
    "names of arguments": _arguments,
    "names of metrics": _metric,
    "hosts": _host,
}


@pytest.mark.parametrize("send", SENT.values(), ids=SENT)
def test_texts_of_many_requests_do_not_stay_in_memory(send: Callable[[int], object]) -> None:
    numbers = itertools.count()  # Texts of an earlier attempt may be cached.

    def send_many() -> None:
        for _ in range(3 * KEPT):
            send(next(numbers))

    assert allocated_bytes(send_many, attempts=3) < MAX_KEPT_BYTES
