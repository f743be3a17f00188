"""Fleets of ranks and MP servers: each command asks the servers that it is for, however they were found."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.commands import ALL, arguments
from tests.cli.conftest import Fleet
from tests.cli.kubernetes import NAMESPACE, ports_of, rows, run
from tests.cli.kubernetes_api import ApiServer, FakePod
from tests.cli.mp_fleet import LMCache, lmcaches, ours
from tests.http_server import port_of

MP = {"lmcache-internal/server": "mp"}
AT_8080 = {"lmcache-internal/port-start": "8080"}


@pytest.fixture(scope="module")
def mp() -> Iterator[str]:
    with ours(None) as (url, _):
        yield url


def mp_pod(name: str, url: str, labels: dict[str, str], annotations: dict[str, str] | None = None) -> FakePod:
    return FakePod(name, {8080: port_of(url)}, labels, annotations or {})


@pytest.fixture
def mixed(api: ApiServer, shared_fleet: Fleet, mp: str, lmcache: tuple[str, LMCache]) -> ApiServer:
    """A namespace with a pod of ranks and two MP servers."""
    api.pods = [
        FakePod("engine-0", ports_of(shared_fleet.port)),
        mp_pod("mp-0", mp, MP),
        mp_pod("mp-1", lmcache[0], MP),
    ]
    return api


@pytest.mark.parametrize("command", ALL)
@pytest.mark.parametrize("chosen", [["--worker", "0"], ["--index", "1"]])
def test_choice_of_a_rank_asks_no_mp_server(mixed: ApiServer, tmp_path: Path, command: str, chosen: list[str]) -> None:
    run(*arguments(command, tmp_path), *chosen, "--kubernetes", NAMESPACE)
    asked = {path.split("/")[-2] for path in mixed.requests if "/portforward?" in path}
    assert asked == {"engine-0"}


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize("command", ["conf diff", "conf history", "conf set pin_timeout_sec=300 --all --dry-run"])
def test_configuration_of_a_mixed_fleet_is_that_of_its_ranks(command: str) -> None:
    result = run(*command.split(), "--kubernetes", NAMESPACE)
    assert result.exit_code == 0, result.output
    assert "mp-" not in result.output


@pytest.mark.parametrize("key", [None, "k" * 40])
def test_mp_server_is_recognized_in_a_pod_that_no_label_marks(api: ApiServer, mp: str, key: str | None) -> None:
    labels = {"app": "cache"}
    with lmcaches(key) as (url, _):
        api.pods = [mp_pod("mp-0", mp, labels, AT_8080), mp_pod("mp-1", url, labels, AT_8080)]
        found = rows("get", "/healthcheck", "--kubernetes", f"{NAMESPACE}:app=cache")
    assert [(row["role"], row["address"]) for row in found] == [
        ("MP server", "kubernetes://inference/mp-0:8080"),
        ("MP server", "kubernetes://inference/mp-1:8080"),
    ]


@pytest.mark.usefixtures("mixed")
def test_no_mp_server_has_an_index() -> None:
    result = run("status", "--kubernetes", f"{NAMESPACE}:lmcache-internal/server=mp", "--index", "0")
    assert result.exit_code == 1
    assert "No pod has a server with index 0." in result.stderr


def test_top_reads_the_registry_again(mp: str, lmcache: tuple[str, LMCache]) -> None:
    coordinator, ports = lmcache[1], [port_of(mp)]
    coordinator.bodies["GET /instances"] = {"instances": [{"ip": "127.0.0.1", "http_port": port} for port in ports]}
    run("top", "--count", "3", "--interval", "0.1", "--coordinator", lmcache[0])
    assert coordinator.asked.count("GET /instances") == 4  # At the start, and at each refresh.


def test_doctor_reads_the_health_that_lmcaches_mp_server_reports(lmcache: tuple[str, LMCache]) -> None:
    lmcache[1].bodies["GET /status"] = {"is_healthy": False}
    result = run("doctor", "--url", lmcache[0], "--json")
    assert result.exit_code == 1
    assert [found["code"] for found in json.loads(result.stdout)["findings"]] == ["engine-unhealthy"]


def test_doctor_counts_servers_where_some_are_no_ranks(mp: str) -> None:
    assert run("doctor", "--url", mp).stdout.startswith("Nothing found in 1 server.")
