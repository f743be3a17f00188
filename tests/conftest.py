"""What every test may ask for: engines, apps, clients and running servers."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal import EmbeddedManager, InternalAPIServer, create_app
from lmcache_internal.app import InternalApp
from tests.support import make_manager, server_values

# They have targets of their own: `make test-faults`, and `make test-lmcache` where LMCache is installed.
collect_ignore = ["faults", *([] if find_spec("lmcache") else ["lmcache", "conformance/test_conformance.py"])]


@pytest.fixture
def manager() -> Iterator[EmbeddedManager]:
    with make_manager() as made:
        yield made


@pytest.fixture
def scheduler() -> Iterator[EmbeddedManager]:
    with make_manager(role="scheduler") as made:
        yield made


@pytest.fixture
def app(manager: EmbeddedManager) -> InternalApp:
    return create_app(manager)


@pytest.fixture
def client(app: InternalApp) -> FlaskClient:
    return app.test_client()


@pytest.fixture(params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    """A running server of one worker, on a port and on a Unix socket."""
    with make_manager(**server_values(request.param, tmp_path)) as manager, InternalAPIServer(manager) as running:
        yield running
