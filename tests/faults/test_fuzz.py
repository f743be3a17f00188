"""Many valid and invalid requests of every kind in the API document, including the limits of each schema."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import pytest

from tests.fuzzing import Case, Fuzzed, send
from tests.support import make_manager

WORKER = Fuzzed(make_manager, examples=50, thorough=True)
SCHEDULER = Fuzzed(
    functools.partial(make_manager, role="scheduler", enable_chunk_statistics=True), examples=50, thorough=True
)

BARE = Fuzzed(contextlib.nullcontext, examples=10)


@pytest.fixture(autouse=True)
def fresh_engines() -> Iterator[None]:
    with WORKER.engine(), SCHEDULER.engine(), BARE.engine():
        yield


@WORKER.each_operation
def test_a_worker_answers_as_documented(case: Case) -> None:
    send(case)


@SCHEDULER.each_operation
def test_a_scheduler_answers_as_documented(case: Case) -> None:
    send(case)


@BARE.each_operation
def test_an_app_without_an_engine_answers_as_documented(case: Case) -> None:
    send(case)
