"""The responses of the real engine conform to the OpenAPI document."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from lmcache_internal.conversion import parse_bool
from lmcache_internal.testing.real_engine import make_scheduler, make_worker
from tests.fuzzing import Case, Fuzzed, send


@contextlib.contextmanager
def worker() -> Iterator[Any]:
    manager = make_worker("fuzz")
    yield manager
    manager.stop_services()


@contextlib.contextmanager
def scheduler() -> Iterator[Any]:
    manager = make_scheduler("fuzz", enable_chunk_statistics=True)
    yield manager
    manager.stop_services()


WORKER = Fuzzed(worker, examples=10)
SCHEDULER = Fuzzed(scheduler, examples=10)


@pytest.fixture(autouse=True, scope="module")
def engines() -> Iterator[None]:
    with WORKER.engine(), SCHEDULER.engine():
        yield


@WORKER.each_operation
def test_worker_responses_conform_to_the_document(case: Case) -> None:
    send(case)


@SCHEDULER.each_operation
def test_scheduler_responses_conform_to_the_document(case: Case) -> None:
    if parse_bool(str(case.query.get("dryrun"))):
        del case.query["dryrun"]  # In LMCache, a dry run with an active client may never return.
    send(case)
