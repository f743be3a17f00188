"""A browser, and the servers whose dashboard it shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli.ui import ranks as polling
from tests.browser import Browser, open_browser
from tests.cli.conftest import Fleet, fleets_in
from tests.security.support import serving
from tests.ui.support import mp_serving


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(autouse=True)
def patient_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a poll of a gateway in this process wait for all ranks; on a busy machine, they take longer than 1 s."""
    for name in ("FETCH_SECONDS", "WAIT_SECONDS", "SLOW_SECONDS"):
        monkeypatch.setattr(polling, name, 60.0)


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A scheduler and four workers, shared by the tests of a file."""
    with fleets_in(tmp_path_factory.mktemp("ranks")) as start:
        yield start()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InternalAPIServer]:
    with serving(tmp_path, run_script_api_enabled=True, local_disk=str(tmp_path), max_local_disk_size=1) as server:
        yield server


@pytest.fixture
def mp_server(tmp_path: Path) -> Iterator[InternalAPIServer]:
    with mp_serving(tmp_path) as server:
        yield server
