"""The gateway to pods, to a coordinator's MP servers and to a list by URL: polls, pages, changes, and the token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from lmcache_internal.cli.credentials import BearerToken
from lmcache_internal.cli.sources import Source
from lmcache_internal.cli.ui.state import Gateway
from tests.cli.conftest import Fleet
from tests.cli.kubernetes import NAMESPACE, ports_of
from tests.cli.kubernetes_api import ApiServer, FakePod, api_server
from tests.cli.mp_fleet import LMCache, lmcaches, ours, register
from tests.http_server import Asked, Reply, responding
from tests.ui.fleet_support import searching

TOKEN = "t" * 30
IN_PODS = Source(kubernetes=(NAMESPACE,))


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with api_server(tmp_path) as (state, kubeconfig):
        monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
        yield state


@pytest.fixture
def coordinator() -> Iterator[tuple[str, LMCache]]:
    with lmcaches() as found:
        yield found


def names(client: FlaskClient) -> dict[int, str]:
    return {row["number"]: row["address"] for row in client.get("/fleet/poll").get_json()["ranks"]}


def test_the_ranks_of_pods_are_polled_shown_and_changed(api: ApiServer, ranks: Fleet) -> None:
    api.pods = [FakePod(f"engine-{pod}", ports_of(ranks.port)) for pod in "ab"]
    _, client = searching(IN_PODS)
    rows = client.get("/fleet/poll").get_json()["ranks"]
    assert [row["number"] for row in rows] == list(range(10))
    assert {row["host"] for row in rows} == {"inference/engine-a", "inference/engine-b"}
    assert (rows[6]["error"], rows[6]["name"], rows[6]["health"]) == (None, "worker 0", "ok")
    page = client.get("/rank/6/ui").text
    assert 'data-base="kubernetes://inference/engine-b:7000"' in page
    assert json.loads(client.get("/rank/6/meta").text)["worker_id"] == 0
    response = client.get("/rank/6/docs")
    assert (response.status_code, "kubernetes://" in response.get_json()["message"]) == (404, True)
    level = {"logger": "tests.pods", "level": "ERROR", "ranks": [6]}
    checked = client.post("/fleet/loglevel/check", json=level).get_json()
    assert "--url kubernetes://inference/engine-b:7000" in checked["command"]
    applied = client.post("/fleet/apply", json={"id": checked["id"]}).get_json()
    assert (applied["applied"], applied["failed"]) == ("6 worker 0", [])
    checked = client.post("/fleet/conf/check", json={"values": {"pin_timeout_sec": 41}, "ranks": [6]}).get_json()
    assert client.post("/fleet/apply", json={"id": checked["id"]}).get_json()["applied"] == "6 worker 0"
    assert ranks.managers[1].config.pin_timeout_sec == 41
    assert client.post("/rank/6/conf", json={"pin_timeout_sec": 300}).status_code == 200


def test_pods_come_and_go(api: ApiServer, ranks: Fleet) -> None:
    ports = ports_of(ranks.port, 2)
    indices = {"lmcache-internal/index": "0,1"}
    first, second, third = (FakePod(f"engine-{pod}", ports, annotations=indices) for pod in "abc")
    api.pods = [first, second]
    gateway, client = searching(IN_PODS)
    before = names(client)
    assert list(before) == [0, 1, 2, 3]
    api.pods = [second, third]
    gateway.search.once()
    after = names(client)
    assert after == {number: before[number] for number in (2, 3)} | {
        4: "kubernetes://inference/engine-c:6999",
        5: "kubernetes://inference/engine-c:7000",
    }
    api.granted.discard("list pods")
    gateway.search.once()
    found = client.get("/fleet/poll").get_json()
    assert [row["number"] for row in found["ranks"]] == [2, 3, 4, 5]
    assert "cannot list" in found["problem"]


def test_a_pod_that_is_pending_keeps_its_ranks(api: ApiServer, ranks: Fleet) -> None:
    api.pods = [FakePod("engine-a", ports_of(ranks.port, 2), annotations={"lmcache-internal/index": "0,1"})]
    gateway, client = searching(IN_PODS)
    before = names(client)
    api.pods[0].phase = "Pending"
    gateway.search.once()
    assert names(client) == before


def test_the_servers_of_a_coordinator_are_polled_shown_and_changed(coordinator: tuple[str, LMCache]) -> None:
    with ours(None) as (url, _), lmcaches() as (other, _):
        register(coordinator[1], url)
        gateway, client = searching(Source(coordinator=coordinator[0]))
        (row,) = client.get("/fleet/poll").get_json()["ranks"]
        assert (row["error"], row["kind"], row["name"]) == (None, "mp", "MP server")
        assert f'data-base="{url}"' in client.get("/rank/0/ui").text
        assert client.get("/rank/0/status").status_code == 200
        level = {"logger": "tests.coordinator", "level": "ERROR"}
        checked = client.post("/fleet/loglevel/check", json=level).get_json()
        assert client.post("/fleet/apply", json={"id": checked["id"]}).get_json()["applied"] == "0 MP server"
        register(coordinator[1], other, url)
        gateway.search.once()
        assert names(client) == {0: url, 1: other}
        register(coordinator[1])
        gateway.search.once()
        assert "lists no servers" in client.get("/fleet/poll").get_json()["problem"]
        assert names(client) == {0: url, 1: other}


@contextmanager
def recording() -> Iterator[tuple[str, list[Asked]]]:
    """An MP server that records what it gets."""
    asked: list[Asked] = []

    def respond(each: Asked) -> Reply:
        asked.append(each)
        return Reply(200, "{}")

    with responding(respond) as url:
        yield url, asked


def use(gateway: Gateway, client: FlaskClient) -> None:
    """Send every kind of request to each rank."""
    numbers = list(gateway.ranks.by_number)
    for path in ("/fleet/poll", "/fleet/conf", "/fleet/loglevels", "/fleet/threads"):
        client.get(path)
    for number in numbers:
        client.get(f"/rank/{number}/status")
        client.get(f"/rank/{number}/ui/session", headers={"Authorization": f"Bearer {TOKEN}"})
        client.post(f"/rank/{number}/conf", json={"a": 1})
    client.post("/fleet/conf/check", json={"values": {"a": 1}})
    client.post("/fleet/loglevel/check", json={"logger": "a", "level": "INFO"})


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize("by", ["coordinator", "url"])
def test_only_a_trusted_list_gets_the_token_to_its_servers(
    coordinator: tuple[str, LMCache], trusted: bool, by: str
) -> None:
    url, lists = coordinator
    with ExitStack() as stack:
        (first, _), (second, asked) = servers = [stack.enter_context(recording()) for _ in range(2)]
        register(lists, first)
        lists.bodies["GET /sd"] = [{"targets": [first], "labels": {"index": "0"}}]
        source = Source(coordinator=url) if by == "coordinator" else Source(listed=f"{url}/sd")
        gateway, client = searching(source, BearerToken(TOKEN, for_listed=trusted))
        use(gateway, client)
        register(lists, second)
        lists.bodies["GET /sd"] = [{"targets": [second], "labels": {"index": "0"}}]
        gateway.search.once()
        use(gateway, client)
        for _, asked in servers:
            assert len(asked) > 8
            assert {"authorization" in each.headers for each in asked} == {trusted}


@pytest.mark.parametrize(
    "listed",
    [
        "/run/lmcache.sock",
        "kubernetes://inference/engine-0:7000",
        "file:///etc/passwd",
        "http://user:secret@127.0.0.1:80",
        "http://127.0.0.1:80/rank",
        "http://127.0.0.1:80?x",
    ],
)
def test_a_hostile_list_adds_no_other_kind_of_server(coordinator: tuple[str, LMCache], listed: str) -> None:
    url, lists = coordinator
    with recording() as (first, _):
        lists.bodies["GET /sd"] = [{"targets": [first], "labels": {"index": "1"}}]
        gateway, client = searching(Source(listed=f"{url}/sd"))
        for hostile in ([listed], [first, listed], [first] * 1025):
            lists.bodies["GET /sd"] = [{"targets": hostile}]
            gateway.search.once()
            found = client.get("/fleet/poll").get_json()
            assert ([row["address"] for row in found["ranks"]], bool(found["problem"])) == ([first], True)
