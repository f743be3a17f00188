"""A browser, and the servers whose dashboard it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser, open_browser
from tests.security.support import serving
from tests.ui.support import mp_serving


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InternalAPIServer]:
    with serving(tmp_path, run_script_api_enabled=True, local_disk=str(tmp_path), max_local_disk_size=1) as server:
        yield server


@pytest.fixture
def mp_server(tmp_path: Path) -> Iterator[InternalAPIServer]:
    with mp_serving(tmp_path) as server:
        yield server
