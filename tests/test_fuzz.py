"""Fuzz tests with a few valid and invalid requests per operation; `tests/faults/test_fuzz.py` sends many."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.fuzzing import Case, Fuzzed, send
from tests.mp_support import mp_manager
from tests.support import make_manager

WORKER = Fuzzed(make_manager, examples=4)
SCHEDULER = Fuzzed(functools.partial(make_manager, role="scheduler", enable_chunk_statistics=True), examples=4)


@contextmanager
def _mp_manager() -> Iterator[EmbeddedMPManager]:
    with TemporaryDirectory() as directory, mp_manager(Path(directory)) as manager:
        yield manager


MP = Fuzzed(_mp_manager, examples=4, lacking=["/metrics/reset"])


@pytest.fixture(autouse=True)
def fresh_engines() -> Iterator[None]:
    with WORKER.engine(), SCHEDULER.engine(), MP.engine():
        yield


@WORKER.each_operation
def test_worker_responses_match_document(case: Case) -> None:
    send(case)


@SCHEDULER.each_operation
def test_scheduler_responses_match_document(case: Case) -> None:
    send(case)


@MP.each_operation
def test_an_mp_server_answers_as_documented(case: Case) -> None:
    send(case)
