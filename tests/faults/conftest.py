"""A server in this process that must be unchanged after the test."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import acceptor
from tests.faults.unharmed import serving, unharmed


@pytest.fixture(autouse=True)
def quick_sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweep ten times per second, because the tests wait for it."""
    monkeypatch.setattr(acceptor, "SWEEP_SECONDS", 0.1)


@pytest.fixture(params=["tcp", "unix"])
def harmed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    """Yield a running server; check after the test that nothing has changed."""
    with serving(tmp_path, request.param) as server, unharmed(server):
        yield server


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Disable logging, because pytest keeps each record with its exception and frames."""
    audit = logging.getLogger("lmcache_internal.audit")  # It ignores `logging.disable`.
    audit.setLevel(logging.CRITICAL)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    audit.setLevel(logging.NOTSET)
