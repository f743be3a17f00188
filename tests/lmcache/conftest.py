"""A worker for the tests of KV caches; the process exits after the tests, even if LMCache's threads are running."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.lmcache.mp_engine import OURS, Served, serving

if TYPE_CHECKING:
    from tests.lmcache.kv_engine import Engine

_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    global _status  # Hooks have no other shared state.
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    # LMCache 0.3 leaves non-daemon threads running, and Python would wait for them without end.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    from tests.lmcache.kv_engine import Engine  # The import of LMCache takes seconds.

    made = Engine()
    yield made
    made.manager.stop_services()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """LMCache's MP server with our HTTP API."""
    with serving(tmp_path_factory.mktemp("mp"), OURS) as process:
        yield process
