"""Commands to a server whose engine is stuck: they show what they have, and name the request that hangs."""

from __future__ import annotations

import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from lmcache_internal.cli.client import Client, Failure
from lmcache_internal.cli.targets import Target
from tests.cli.conftest import Fleet, StartFleet
from tests.http_server import Asked, Reply, responding

BODIES: dict[str, Any] = {
    "/lmc_version": "0.5.6",
    "/meta": {"role": "worker", "worker_id": 0, "world_size": 1},
    "/healthz": {"status": "ok", "checks": {}},
    "/readyz": {"status": "ok", "checks": {}},
    "/doctor": {"facts": {}},
}


def path_of(asked: Asked) -> str:
    return asked.path.partition("?")[0]


def reply(asked: Asked) -> Reply:
    return Reply(200, json.dumps(BODIES.get(path_of(asked), {})))


@pytest.fixture
def hanging() -> Iterator[str]:
    """A server that answers everything but /metrics, which hangs until the end of the test."""
    released = threading.Event()

    def respond(asked: Asked) -> Reply:
        if path_of(asked) == "/metrics":
            released.wait(60)
        return reply(asked)

    with responding(respond) as url:
        yield url
        released.set()


@pytest.fixture
def refusing() -> Iterator[str]:
    """A server that answers everything but /metrics, which gives up waiting for the engine."""
    refusal = Reply(504, json.dumps({"message": "The call is stuck."}))
    with responding(lambda asked: refusal if path_of(asked) == "/metrics" else reply(asked)) as url:
        yield url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"LMCACHE_CONFIG_FILE": None})


def test_the_request_that_hangs_is_named(hanging: str) -> None:
    with Client(Target(hanging), None, 3600) as client:
        client.json("GET", "/healthz")
        with pytest.raises(Failure) as raised:
            client.request("GET", "/metrics", seconds=0.2)
    assert str(raised.value) == "no answer to GET /metrics within 0.2 s, but GET /healthz was answered"
    assert (raised.value.unreachable, raised.value.unsure) == (False, True)


def test_a_server_that_has_answered_nothing_is_unreachable(hanging: str) -> None:
    with Client(Target(hanging), None, 0.2) as client, pytest.raises(Failure) as raised:
        client.request("GET", "/metrics")
    assert (str(raised.value), raised.value.unreachable) == ("no answer within 0.2 s", True)


def test_no_request_is_sent_when_no_time_is_left(hanging: str) -> None:
    with Client(Target(hanging), None, 1e-9) as client, pytest.raises(Failure) as raised:
        client.request("GET", "/healthz")
    assert (str(raised.value), raised.value.unsure) == ("no answer within 1e-09 s", False)


def test_status_shows_what_it_knows_of_a_server_without_metrics(refusing: str) -> None:
    result = run("status", "--url", refusing, "--json")
    (entry,) = json.loads(result.stdout)
    assert (result.exit_code, entry["ok"]) == (1, True)
    assert (entry["data"]["version"], entry["data"]["health"]) == ("0.5.6", "failing")
    assert entry["data"]["failing"] == {"metrics": "HTTP 504: The call is stuck."}
    assert (entry["data"]["hit_rate"], entry["data"]["usage_bytes"]) == (None, None)


@pytest.mark.parametrize(("option", "reasons"), [([], "For the reasons, add --verbose. "), (["--verbose"], "")])
def test_status_says_how_to_find_out_more(refusing: str, option: list[str], reasons: str) -> None:
    result = run("status", "--url", refusing, *option)
    assert result.stderr == f"{reasons}For the next steps: lmcache-internal doctor --url {refusing}\n"


def test_status_of_a_healthy_server_says_nothing_more() -> None:
    with responding(lambda asked: Reply(200, "") if path_of(asked) == "/metrics" else reply(asked)) as url:
        result = run("status", "--url", url, "--timeout", "30")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_bundle_has_the_files_that_do_not_need_the_engine(hanging: str, tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    result = run("bundle", "--url", hanging, "-o", str(path), "--timeout", "60")
    assert "1 of 1 servers" in result.stderr
    with zipfile.ZipFile(path) as archive:
        (server,) = json.loads(archive.read("manifest.json"))["servers"].values()
        assert any(name.endswith("/threads.txt") for name in archive.namelist())
    assert server["missing"] == {"metrics.txt": "no answer to GET /metrics within 5 s, but GET /loglevel was answered"}


def test_a_stuck_worker_has_a_row_with_its_health(start_fleet: StartFleet) -> None:
    fleet: Fleet = start_fleet(extra_config={"internal_api_server_call_timeout": 1})
    engine = fleet.managers[1].lmcache_engine
    assert engine is not None
    released = threading.Event()
    engine.storage_manager.get_all_backend_names = lambda: [str(released.wait(60))]  # type: ignore[method-assign]
    try:
        (entry,) = fleet.json("status", "--index", "1", "--timeout", "20")
        assert (entry["ok"], entry["data"]["health"]) == (True, "failing")
        assert "HTTP 504" in entry["data"]["failing"]["metrics"]
        assert entry["data"]["failing"]["backends"] == "did not respond within 2 s"
    finally:
        released.set()
