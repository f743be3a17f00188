"""`--kubernetes`: the servers behind the forward, and the certificate of the API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from tests.cli.certificates import self_signed
from tests.cli.conftest import Fleet
from tests.cli.kubernetes import NAMESPACE, ports_of, rows, run
from tests.cli.kubernetes_api import ApiServer, FakePod, api_server
from tests.http_server import Asked, Reply, SilentHandler, handled_by, port_of, responding
from tests.support import free_port, make_manager


@contextmanager
def worker_in_a_pod(api: ApiServer) -> Iterator[None]:
    values: dict[str, Any] = {"internal_api_server_enabled": True, "internal_api_server_port_start": free_port() - 1}
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        assert server.address is not None
        api.pods = [FakePod("x", {7000: server.address.port}, annotations={"lmcache-internal/index": "1"})]
        yield


def test_large_bodies_arrive_in_both_directions(api: ApiServer, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(f"# {'x' * 900_000}\nresult = 'y' * 5_000_000")
    with worker_in_a_pod(api):
        result = run("script", "run", str(script), "--kubernetes", NAMESPACE)
    assert result.exit_code == 0
    assert "y" * 5_000_000 in result.stdout


@pytest.mark.parametrize(("status_code", "length"), [(200, None), (200, 10)])
def test_a_server_that_closes_the_connection_ends_the_response(
    api: ApiServer, status_code: int, length: int | None
) -> None:
    class Closing(SilentHandler):
        def do_GET(self) -> None:  # noqa: N802  # http.server's name.
            self.send_response(status_code)
            if length:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(b'"1.2.3"')

    with handled_by(Closing) as url:
        api.pods = [FakePod("x", {7000: port_of(url)}, annotations={"lmcache-internal/index": "1"})]
        (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert row["ok"] is (length is None)
    assert row.get("data", "1.2.3") == "1.2.3"


def test_a_scheduler_of_lmcache_itself_is_counted_by_its_world_size(api: ApiServer) -> None:
    bodies = {"/meta?names=world_size": '{"world_size": 2}', "/lmc_version": '"0.5.6"'}

    def respond(asked: Asked) -> Reply:
        body = bodies.get(asked.path)
        return Reply(200, body) if body else Reply(404, '{"detail":"Not Found"}')

    with responding(respond) as url:
        api.pods = [FakePod("x", dict.fromkeys((6999, 7000, 7001), port_of(url)))]
        found = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert [row["index"] for row in found] == [0, 1, 2]


def test_top_finds_pods_that_appear_and_drops_those_that_are_deleted(api: ApiServer, healthy: FakePod) -> None:
    other = FakePod("other", healthy.ports)
    api.pods = [healthy]
    lists = iter([[healthy], [healthy, other], [other]])
    api.before_list = lambda: setattr(api, "pods", next(lists, [other]))
    output = run("top", "--count", "2", "--interval", "0.1", "--kubernetes", NAMESPACE, "--json").stdout
    refreshes = [
        {row["address"].split("/")[-1].split(":")[0] for row in json.loads(line)} for line in output.splitlines()
    ]
    assert refreshes == [{"healthy", "other"}, {"other"}]


def test_a_token_is_sent_through_the_forward(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file := tmp_path / "token").write_text("lmci_of_the_pod\n")
    monkeypatch.setenv("LMCACHE_INTERNAL_API_SERVER_TOKEN", "lmci_of_the_pod")
    with worker_in_a_pod(api):
        monkeypatch.delenv("LMCACHE_INTERNAL_API_SERVER_TOKEN")
        given = ("get", "/meta", "--kubernetes", NAMESPACE)
        assert "HTTP 401" in rows(*given)[0]["error"]
        assert rows(*given, "--bearer-token-file", str(file))[0]["ok"]


def test_an_mp_server_is_one_server(api: ApiServer, shared_fleet: Fleet) -> None:
    api.pods = [FakePod("mp-0", {8080: shared_fleet.port}, labels={"lmcache-internal/server": "mp"})]
    (row,) = rows("get", "/lmc_version", "--kubernetes", NAMESPACE)
    assert (row["index"], row["address"], row["ok"]) == (None, "kubernetes://inference/mp-0:8080", True)


@pytest.mark.parametrize("trusted", [True, False])
def test_the_certificate_of_the_api_is_checked(
    tmp_path: Path, shared_fleet: Fleet, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    with api_server(tmp_path, *self_signed(tmp_path), trusted) as (api, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        api.pods = [FakePod("engine-0", ports_of(shared_fleet.port))]
        result = run("get", "/lmc_version", "--kubernetes", NAMESPACE)
        direct = run("get", "/lmc_version", "--url", "kubernetes://inference/engine-0:7000")
    assert (result.exit_code, direct.exit_code) == ((0, 0) if trusted else (1, 1))
    if not trusted:
        assert "CERTIFICATE_VERIFY_FAILED" in result.stderr
        assert "CERTIFICATE_VERIFY_FAILED" in direct.output
