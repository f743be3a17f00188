"""The app of an embedded MP engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal import create_app
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.mp_support import mp_manager


@pytest.fixture
def mp(tmp_path: Path) -> Iterator[EmbeddedMPManager]:
    with mp_manager(tmp_path / "l2") as manager:
        yield manager


@pytest.fixture
def mp_client(mp: EmbeddedMPManager) -> FlaskClient:
    return create_app(mp).test_client()
