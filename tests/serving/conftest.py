"""One server for all tests that do not change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.serving.support import serving


@pytest.fixture(scope="session")
def tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InternalAPIServer]:
    with serving(tmp_path_factory.mktemp("wire")) as server:
        yield server


@pytest.fixture(params=["tcp", "unix"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    with serving(tmp_path, request.param) as server:
        yield server
