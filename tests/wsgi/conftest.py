"""Fixtures that start all servers once and at the same time, because each start takes a second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

import pytest

from tests.security.support import bearer, token_file
from tests.wsgi.servers import SERVERS, Running, config_file, launched

PAIRS = [*product(SERVERS, ["tcp"]), ("gunicorn", "unix"), ("waitress-serve", "unix"), ("flask run", "unix")]

Fleet = dict[tuple[str, str], Running]
Headers = dict[str, dict[str, str]]


@pytest.fixture(scope="session")
def guarded_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Fleet, Headers]]:
    """Every server on a port and on a socket, with tokens, and the headers with each token."""
    directory = tmp_path_factory.mktemp("guarded")
    path, tokens = token_file(directory, viewer="viewer", admin="admin")
    config = config_file(directory, {"tokens_file": str(path)}, run_script_api_enabled=True)
    with ExitStack() as stack:
        fleet = {
            pair: stack.enter_context(launched(directory / "-".join(pair), *pair, LMCACHE_CONFIG_FILE=config))
            for pair in PAIRS
        }
        for server in fleet.values():
            server.wait_until_it_serves()
        yield fleet, {name: bearer(token) for name, token in tokens.items()}


@pytest.fixture(params=PAIRS, ids="-".join)
def guarded(request: pytest.FixtureRequest, guarded_fleet: tuple[Fleet, Headers]) -> Any:
    """One server of the fleet."""
    return guarded_fleet[0][request.param]


@pytest.fixture
def headers(guarded_fleet: tuple[Fleet, Headers]) -> Headers:
    """The headers with the tokens "viewer" and "admin"."""
    return guarded_fleet[1]
