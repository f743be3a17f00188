"""A worker for the tests of KV caches; and all tests here end when they are done, whatever LMCache's threads do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.lmcache.kv_engine import Engine

_status = 0


def pytest_sessionfinish(exitstatus: int) -> None:
    global _status  # Hooks have nothing else in common.
    _status = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    # LMCache 0.3 leaves threads behind that are no daemons, and Python would wait for them for ever.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    from tests.lmcache.kv_engine import Engine  # LMCache takes seconds to be imported.

    made = Engine()
    yield made
    made.manager.stop_services()
