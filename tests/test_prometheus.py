"""A real Prometheus with the configuration of docs/monitoring.md discovers a deployment and scrapes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from prometheus_client import REGISTRY
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from lmcache_internal import InternalAPIServer
from tests.browser import answers, running
from tests.support import CHUNK, ROOT, eventually, free_port, make_manager

PROMETHEUS = Path("/usr/bin/prometheus")
WORKERS = 4

pytestmark = pytest.mark.skipif(not PROMETHEUS.exists(), reason=f"there is no {PROMETHEUS}; apt-get install prometheus")


class Odd(Collector):
    """Families that Prometheus could not read without escaping."""

    def collect(self) -> Iterable[Metric]:
        for number, (labels, value) in enumerate(
            [
                ({"x": "\udcff"}, 1),
                ({"x.y": "1"}, 2),
                ({"x.y": "1", "x_y": "2"}, 3),
                ({"": "1"}, 4),
                ({}, "x"),
                ({}, None),
            ]
        ):
            family = Metric(f"odd_{number}", "\ud800", "gauge")
            family.add_sample(f"odd_{number}", labels, value)  # type: ignore[arg-type]  # The invalid types are intended.
            yield family


@pytest.fixture(scope="module", autouse=True)
def odd_metrics() -> Iterator[None]:
    odd = Odd()
    REGISTRY.register(odd)
    yield
    REGISTRY.unregister(odd)


@pytest.fixture(scope="module")
def first_port() -> Iterator[int]:
    """The scheduler's port of a deployment; worker n has stored n + 1 chunks."""
    port = free_port(1 + WORKERS)
    with ExitStack() as stack:
        for index in range(1 + WORKERS):
            role, worker_id = ("worker", index - 1) if index else ("scheduler", 0)
            manager = make_manager(
                role,
                worker_id,
                WORKERS,
                internal_api_server_enabled=True,
                internal_api_server_port_start=port,
            )
            stack.enter_context(manager)
            stack.enter_context(InternalAPIServer(manager))
            if manager.lmcache_engine:
                manager.lmcache_engine.store(list(range(index * CHUNK)))
        yield port


@pytest.fixture(scope="module")
def prometheus(first_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a Prometheus with the documented configuration and shorter intervals."""
    directory = tmp_path_factory.mktemp("prometheus")
    (documented,) = re.findall(
        r"```yaml file=prometheus\.yml\n(.*?)```", (ROOT / "docs" / "monitoring.md").read_text(), re.DOTALL
    )
    config = yaml.safe_load(documented.replace("localhost:6999", f"127.0.0.1:{first_port}"))
    config["global"] = {"scrape_interval": "1s"}
    config["scrape_configs"][0]["http_sd_configs"][0]["refresh_interval"] = "1s"
    (directory / "prometheus.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        str(PROMETHEUS),
        f"--config.file={directory / 'prometheus.yml'}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with running(command, directory / "log", lambda: answers(port, "/-/ready")):
        yield port


def fetch(port: int, path: str) -> Any:
    """Return the data of Prometheus' response."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", f"/api/v1/{path}")
        return json.load(connection.getresponse())["data"]
    finally:
        connection.close()


def query(port: int, expression: str) -> list[dict[str, Any]]:
    return [
        found["metric"] | {"value": found["value"][1]}
        for found in fetch(port, f"query?query={quote(expression)}")["result"]
    ]


def test_every_rank_is_found_and_scraped(prometheus: int, first_port: int) -> None:
    def healths() -> list[str]:
        return [target["health"] for target in fetch(prometheus, "targets")["activeTargets"]]

    assert eventually(lambda: healths() == ["up"] * (1 + WORKERS)), fetch(prometheus, "targets")
    assert eventually(lambda: len(query(prometheus, "up == 1")) == 1 + WORKERS)
    for target in query(prometheus, "up"):
        index = int(target["index"])
        assert target["instance"] == f"127.0.0.1:{first_port + index}"
        assert target["lmcache_role"] == ("worker" if index else "scheduler")
        assert target["lmcache_model_name"] == "test-model"
        assert target.get("lmcache_worker_id") == (str(index - 1) if index else None)
    # The embedded engines of one process share their metrics: each target has those of all workers.
    stored = query(prometheus, 'lmcache:num_stored_tokens_total{index="3"}')
    assert {(sample["worker_id"], sample["value"]) for sample in stored} == {
        (str(worker), str((worker + 1) * CHUNK)) for worker in range(WORKERS)
    }
    # The readable ones of the invalid families are scraped.
    assert {(sample.get("x"), sample["value"]) for sample in query(prometheus, 'odd_0{index="3"}')} == {
        ("\\udcff", "1")
    }
    assert {(sample.get("x_y"), sample["value"]) for sample in query(prometheus, 'odd_1{index="3"}')} == {("1", "2")}
    # The samples' own labels are not renamed.
    assert not any(name.startswith("exported_") for sample in stored for name in sample)
