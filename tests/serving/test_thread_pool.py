"""The thread pool grows under load and shrinks afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from waitress.task import ThreadedTaskDispatcher

from lmcache_internal.limits.server_load import Load
from lmcache_internal.serving.thread_pool import Pool
from tests.support import eventually

LEAST, LIMIT = 2, 4


class Task:
    """A request that is served until it is released."""

    def __init__(self, release: threading.Event) -> None:
        self.queued_at = 0.0
        self.is_done = False
        self._release = release

    def service(self) -> None:
        self._release.wait(10)
        self.is_done = True

    def cancel(self) -> None:
        pass


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(LEAST, LIMIT)
    made.start()
    try:
        assert eventually(lambda: made.active_count == 0)
        yield made
    finally:
        made.shutdown(timeout=5)


def occupy(pool: Pool, count: int, release: threading.Event) -> list[Task]:
    tasks = [Task(release) for _ in range(count)]
    for place, task in enumerate(tasks, start=1):
        pool.add_task(task)
        assert eventually(lambda place=place: pool.active_count == min(place, LIMIT))  # type: ignore[misc]
    return tasks


def served_at_once(pool: Pool, count: int) -> None:
    release = threading.Event()
    occupy(pool, count, release)
    release.set()
    assert eventually(lambda: not pool.is_busy)


def test_at_rest_it_has_the_smallest_number_of_threads(pool: Pool) -> None:
    assert len(pool.threads) == LEAST
    assert pool.is_at_minimum
    assert not pool.is_busy
    assert pool.load() == Load(busy=0, limit=LIMIT, waiting=0, longest_wait=0.0)
    pool.shrink()
    pool.shrink()
    assert (pool.is_at_minimum, len(pool.threads)) == (True, LEAST)


@pytest.mark.parametrize(("requests", "threads", "waiting"), [(1, 2, 0), (2, 2, 0), (3, 3, 0), (4, 4, 0), (6, 4, 2)])
def test_it_adds_a_thread_when_a_request_would_wait(pool: Pool, requests: int, threads: int, waiting: int) -> None:
    release = threading.Event()
    tasks = occupy(pool, requests, release)
    time.sleep(0.01)
    load = pool.load()
    assert (len(pool.threads), load.busy, load.limit, load.waiting) == (threads, min(requests, LIMIT), LIMIT, waiting)
    assert (0.01 <= load.longest_wait < 5) if waiting else load.longest_wait == 0
    assert pool.is_busy
    assert pool.is_at_minimum == (threads == LEAST)
    release.set()
    assert eventually(lambda: all(task.is_done for task in tasks) and not pool.is_busy)


def test_it_ends_threads_that_were_not_needed_since_the_last_call(pool: Pool) -> None:
    served_at_once(pool, 4)
    pool.shrink()
    assert len(pool.threads) == 4  # They were needed recently.
    served_at_once(pool, 1)
    pool.shrink()
    assert eventually(lambda: len(pool.threads) == LEAST)
    assert pool.is_at_minimum


def test_threads_that_were_needed_since_the_last_call_are_kept(pool: Pool) -> None:
    served_at_once(pool, 4)
    pool.shrink()
    served_at_once(pool, 3)
    pool.shrink()
    assert eventually(lambda: len(pool.threads) == 3)
    time.sleep(0.02)
    assert len(pool.threads) == 3


def test_without_a_new_thread_requests_wait_for_the_others(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    def start_new_thread(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(ThreadedTaskDispatcher, "start_new_thread", start_new_thread)
    release = threading.Event()
    tasks = [Task(release) for _ in range(LEAST + 1)]
    for task in tasks:
        pool.add_task(task)
    assert eventually(lambda: (pool.load().busy, pool.load().waiting) == (LEAST, 1))
    release.set()
    assert eventually(lambda: all(task.is_done for task in tasks) and not pool.is_busy)
    assert pool.load().busy == 0
