"""The tests against the real LMCache end when they are done, whatever its threads do."""

from __future__ import annotations

import os
import sys

import pytest

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
