"""A pytest plugin with fixtures for endpoint tests: engines, apps, clients and servers.

Pytest imports it at every start if the package is installed, so each fixture imports its own heavy
dependencies. It may import every package except `cli` and `integrations`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import pytest

from .options import INI_OPTION, MARK, mark_of, plugin_dirs_of

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from werkzeug.test import Client

    from ..app import InternalApp
    from ..engine.embedded import EmbeddedManager
    from ..engine.protocols import Manager
    from ..server import InternalAPIServer


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register the ini option."""
    parser.addini(INI_OPTION, "directories of *_api.py files for the fixtures internal_api_*", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", MARK)


@pytest.fixture
def internal_api_engine(request: pytest.FixtureRequest) -> Iterator[EmbeddedManager]:
    """The manager of a small embedded engine: a worker, or a scheduler with the mark `role="scheduler"`.

    The app, the clients and the server use it. To use another manager, such as `internal_api_real_engine`,
    override this fixture in the test file.
    """
    from .embedded import make_manager

    mark = mark_of(request)
    with make_manager(mark.role, **mark.config) as manager:
        yield manager


@pytest.fixture
def internal_api_real_engine(request: pytest.FixtureRequest) -> Iterator[Manager]:
    """The manager of a small LMCacheEngine on CPU; skips the test, with the reason, if LMCache cannot create one."""
    from .real import opened

    mark = mark_of(request)
    with opened(mark.role, mark.config) as manager:
        yield manager


@pytest.fixture
def _internal_api_manager(request: pytest.FixtureRequest, internal_api_engine: Manager) -> Manager:
    """The manager that is served, with the plugin directories in its config."""
    from .plugins import offer

    offer(internal_api_engine.config, plugin_dirs_of(request))
    return internal_api_engine


@pytest.fixture
def internal_api_app(_internal_api_manager: Manager) -> InternalApp:
    """The Flask app of `internal_api_engine`, with the plugins; fails the test if a plugin does not load."""
    from ..app import create_app
    from .plugins import require_all

    app = create_app(_internal_api_manager)
    require_all(app)
    return app


@pytest.fixture
def internal_api_client(internal_api_app: InternalApp) -> FlaskClient:
    """The test client of `internal_api_app`, with role admin."""
    return internal_api_app.test_client()


@pytest.fixture(params=["tcp", "unix"])
def internal_api_server(request: pytest.FixtureRequest, _internal_api_manager: Manager) -> Iterator[InternalAPIServer]:
    """A running server of `internal_api_engine`, with the plugins: once on a port, once on a Unix socket.

    It listens on `server.address.url` or `server.socket_path`.
    """
    from .plugins import require_all
    from .serving import serving

    with serving(_internal_api_manager, request.param) as server:
        require_all(cast("InternalApp", server.app))  # None only if the server is disabled.
        yield server


@pytest.fixture
def internal_api_server_client(internal_api_server: InternalAPIServer) -> Client:
    """A client of `internal_api_server` over its port or socket, with the methods of `internal_api_client`."""
    from .serving import client_of

    return client_of(internal_api_server)
