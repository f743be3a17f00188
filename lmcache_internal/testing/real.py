"""Creates a real LMCacheEngine on CPU for tests, or skips the test."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any, cast

import pytest

from ..engine.protocols import Manager
from ..limits.timeouts import call_within
from .embedded import SHAPE

BUILD_SECONDS = 120.0
"""Timeout in seconds to create an engine; the import of torch alone may take 30 s."""


@contextmanager
def opened(role: str, values: Mapping[str, Any]) -> Iterator[Manager]:
    """Yield a manager with `values` in its config; skips the test, with the reason, if LMCache cannot create one."""
    if find_spec("lmcache") is None:
        pytest.skip("LMCache is not installed")
    make = partial(_make, role, {"chunk_size": SHAPE[2], **values})
    try:
        # In a daemon thread, so that LMCache's threads are daemons, too: LMCache does not stop all of them.
        manager = call_within("make an LMCacheEngine", make, BUILD_SECONDS)
    except Exception as error:  # Missing libraries, an unsupported version: never the fault of the tested plugin.
        pytest.skip(f"LMCache cannot create an engine: {type(error).__name__}: {error}")
    try:
        if not manager.is_healthy():
            pytest.skip("LMCache's engine is not healthy; see its log")
        yield cast(Manager, manager)
    finally:
        manager.stop_services()


def _make(role: str, values: Mapping[str, Any]) -> Any:
    with warnings.catch_warnings():
        # LMCache and torch emit warnings, which must not fail a test that treats warnings as errors.
        warnings.simplefilter("ignore")
        from .real_engine import make_scheduler, make_worker

        make = make_scheduler if role == "scheduler" else make_worker
        return make(f"test-{uuid.uuid4().hex}", **values)
