"""The real LMCacheEngine on CPU, where there is one."""

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
"""How long LMCache may take to make an engine; torch alone may need half a minute to be imported."""


@contextmanager
def opened(role: str, values: Mapping[str, Any]) -> Iterator[Manager]:
    """A manager with `values` in its config; skips the test, with the reason, where there can be none."""
    if find_spec("lmcache") is None:
        pytest.skip("LMCache is not installed")
    make = partial(_make, role, {"chunk_size": SHAPE[2], **values})
    try:
        # In a daemon thread: what it starts are daemons, too, and LMCache does not end all of them.
        manager = call_within("make an LMCacheEngine", make, BUILD_SECONDS)
    except Exception as error:  # Missing libraries, an unknown version: whatever it is, it is not the plugin's.
        pytest.skip(f"LMCache makes no engine here: {type(error).__name__}: {error}")
    try:
        if not manager.is_healthy():
            pytest.skip("LMCache has given up its engine, see its log")
        yield cast(Manager, manager)
    finally:
        manager.stop_services()


def _make(role: str, values: Mapping[str, Any]) -> Any:
    with warnings.catch_warnings():
        # LMCache and torch warn of themselves, and where warnings are errors, that is not what a test is about.
        warnings.simplefilter("ignore")
        from .real_engine import make_scheduler, make_worker

        make = make_scheduler if role == "scheduler" else make_worker
        return make(f"test-{uuid.uuid4().hex}", **values)
