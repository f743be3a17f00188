"""A fleet to command: a scheduler and four workers."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from lmcache_internal import EmbeddedManager, InternalAPIServer
from lmcache_internal.app import InternalApp
from lmcache_internal.cli import main
from lmcache_internal.engine.embedded_mp import EmbeddedMPManager
from tests.cli.kubernetes import ports_of
from tests.cli.kubernetes_api import ApiServer, FakePod, api_server
from tests.cli.mp_fleet import LMCache, lmcaches, ours
from tests.support import free_port, make_manager

WORKERS = 4
DEAD, HANGING = 2, 4
"""Indices: where nothing listens, and where connections are taken and nothing is answered."""


class Fleet:
    """Servers on ports in a row, and the command that talks to them.

    Attributes:
        config: the YAML that says where they listen.
        managers: index to engine, of those that run.
        apps: index to app, likewise.
    """

    def __init__(self, directory: Path) -> None:
        self.port = free_port(1 + WORKERS)
        self.values: dict[str, Any] = {
            "internal_api_server_enabled": True,
            "internal_api_server_port_start": self.port,
            "internal_api_server_include_index_list": list(range(1 + WORKERS)),
        }
        self.config = directory / "lmcache.yaml"
        self.config.write_text(yaml.safe_dump(self.values | {"chunk_size": 16}))
        self.managers: dict[int, EmbeddedManager] = {}
        self.apps: dict[int, InternalApp] = {}

    def run(self, *arguments: str, **options: Any) -> Result:
        """The command, told of the config."""
        return CliRunner().invoke(main, [*arguments, "--config", str(self.config)], **options)

    def json(self, *arguments: str) -> Any:
        """What it prints with `--json`."""
        return json.loads(self.run(*arguments, "--json").stdout)

    def url(self, index: int) -> str:
        """The address of a rank."""
        return f"http://127.0.0.1:{self.port + index}"


StartFleet = Callable[..., Fleet]


@contextmanager
def fleets_in(directory: Path) -> Iterator[StartFleet]:
    """What starts a fleet; `without` names indices where nothing listens, `hanging` those that never answer."""
    with ExitStack() as stack:

        def start(without: tuple[int, ...] = (), hanging: tuple[int, ...] = (), **values: Any) -> Fleet:
            fleet = Fleet(directory)
            for index in range(1 + WORKERS):
                if index in hanging:
                    listener = stack.enter_context(socket.create_server(("127.0.0.1", fleet.port + index)))
                    listener.listen()
                elif index not in without:
                    role = "worker" if index else "scheduler"
                    options = {"world_size": WORKERS} | fleet.values | values
                    manager = make_manager(role, worker_id=max(0, index - 1), **options)
                    fleet.managers[index] = stack.enter_context(manager)
                    server = stack.enter_context(InternalAPIServer(manager))
                    assert server.app is not None
                    fleet.apps[index] = server.app
            return fleet

        yield start


@pytest.fixture
def start_fleet(tmp_path: Path) -> Iterator[StartFleet]:
    """Starts a fleet of the test's own."""
    with fleets_in(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def shared_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A fleet that is well, and that tests leave as they found it."""
    with fleets_in(tmp_path_factory.mktemp("fleet")) as start:
        yield start()


@pytest.fixture
def fleet(start_fleet: StartFleet) -> Fleet:
    """A fleet that is well."""
    return start_fleet()


@pytest.fixture
def ailing(start_fleet: StartFleet) -> Fleet:
    """A fleet with one server dead and one hanging."""
    return start_fleet(without=(DEAD,), hanging=(HANGING,))


Cluster = tuple[ApiServer, Path]
"""A stand-in for the Kubernetes API, and a kubeconfig for it."""


@pytest.fixture(scope="module")
def mp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, EmbeddedMPManager]]:
    """One of our MP servers: its URL, and its engine."""
    with ours(tmp_path_factory.mktemp("l2")) as found:
        yield found


@pytest.fixture
def lmcache() -> Iterator[tuple[str, LMCache]]:
    """A server that responds as LMCache's own MP server: its URL, and what it responds."""
    with lmcaches() as found:
        yield found


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """An API server without pods, and a kubeconfig for it."""
    with api_server(tmp_path) as made:
        yield made


@pytest.fixture
def api(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    """The API server that commands of the test use."""
    monkeypatch.setenv("KUBECONFIG", str(cluster[1]))
    return cluster[0]


@pytest.fixture
def healthy(shared_fleet: Fleet) -> FakePod:
    """A pod with a scheduler and four workers."""
    return FakePod("healthy", ports_of(shared_fleet.port))
