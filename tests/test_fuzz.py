"""Fuzz tests with a few valid and invalid requests per operation; `make test-faults` sends many."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from tests.fuzzing import Case, Fuzzed, send
from tests.support import make_manager

WORKER = Fuzzed(make_manager, examples=4)
SCHEDULER = Fuzzed(functools.partial(make_manager, role="scheduler", enable_chunk_statistics=True), examples=4)


@pytest.fixture(autouse=True)
def fresh_engines() -> Iterator[None]:
    with WORKER.engine(), SCHEDULER.engine():
        yield


@WORKER.each_operation
def test_worker_responses_match_document(case: Case) -> None:
    send(case)


@SCHEDULER.each_operation
def test_scheduler_responses_match_document(case: Case) -> None:
    send(case)
