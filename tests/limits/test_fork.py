"""A forked child can use the limits, whatever a thread of its parent was doing at that moment."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from lmcache_internal.limits.request_counts import requests
from lmcache_internal.limits.timeouts import stuck_calls


@pytest.mark.parametrize(
    ("lock", "use"),
    [
        pytest.param(requests._lock, requests.sum_up, id="counts of requests"),
        pytest.param(stuck_calls._lock, lambda: list(stuck_calls.collect()), id="stuck calls"),
    ],
)
def test_a_lock_that_another_thread_held_during_a_fork_is_free_in_the_child(
    lock: object, use: Callable[[], object]
) -> None:
    with lock:  # type: ignore[attr-defined]
        child = os.fork()
        if not child:
            signal.alarm(10)
            use()
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_forked_child_has_served_no_requests() -> None:
    requests.add("GET", "/conf", 200, 0.1)
    requests.sum_up()
    child = os.fork()
    if not child:
        os._exit(1 if requests.by_series else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
