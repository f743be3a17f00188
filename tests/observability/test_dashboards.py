"""The dashboards are those of the code, and each of their queries finds something in a fleet with traffic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.cli.serving import config_file, served
from tests.observability.panels import DASHBOARDS, Query, dashboard, metric_names, queries
from tests.observability.prometheus import Prometheus, needs_prometheus, prometheus
from tests.support import ROOT, eventually, free_port

GRAFANA = ROOT / "deploy" / "grafana"
NAMES = ("fleet", "rank", "mp")
WORKERS = 2


def test_the_dashboards_are_those_of_the_code() -> None:
    pytest.importorskip("grafana_foundation_sdk", reason="grafana-foundation-sdk needs Python 3.11")
    from deploy.grafana.source.__main__ import documents

    committed = {path.name: path.read_text() for path in DASHBOARDS.iterdir()}
    assert committed == documents(), "run `make dashboards`"


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_says_how_it_was_verified_and_names_no_data_source(name: str) -> None:
    found = dashboard(name)
    assert "Verified: " in found["description"]
    sources = [
        part["datasource"]["uid"]
        for panel in found["panels"]
        for part in [panel, *panel.get("targets", [])]
        if "datasource" in part
    ]
    assert set(sources) == {"${datasource}"}
    titles = [panel["title"] for panel in found["panels"]]
    assert len(titles) == len(set(titles)) > 10


def test_grafana_is_provisioned_with_prometheus_and_the_dashboards() -> None:
    (source,) = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["url"], source["isDefault"]) == ("prometheus", "http://prometheus:9090", True)
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/lmcache.yaml").read_text())["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def test_only_names_of_metrics_are_found() -> None:
    expression = (
        'model:lmcache_lookup:rate5m / lmcache:a_total + lmcache_mp_b{x="lmcache_mp_server"} or lmcache_internal:c'
    )
    assert metric_names([expression]) >= {"lmcache:a_total", "lmcache_mp_b", "lmcache_internal:c"}
    assert not any("lookup" in name for name in metric_names([expression]))


@pytest.fixture(scope="module")
def first_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of the scheduler of a fleet with traffic; the MP server listens on the port after the last worker."""
    port = free_port(2 + WORKERS)
    path = config_file(tmp_path_factory.mktemp("fleet"), port)
    ranks = ("--config", str(path), "--workers", str(WORKERS), "--traffic", "--memory", "32")
    with served(*ranks), served("--mp", str(port + 1 + WORKERS)):
        yield port


@pytest.fixture(scope="module")
def scraping(first_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    ranks = {
        "job_name": "lmcache",
        "http_sd_configs": [{"url": f"http://127.0.0.1:{first_port}/sd/prometheus", "refresh_interval": "1s"}],
    }
    mp = {"job_name": "lmcache-mp", "static_configs": [{"targets": [f"127.0.0.1:{first_port + 1 + WORKERS}"]}]}
    with prometheus(tmp_path_factory.mktemp("prometheus"), [ranks, mp]) as found:
        assert eventually(lambda: len(found.query("lmcache:num_lookup_tokens_total > 5000")) == WORKERS, 180)
        yield found


def values(name: str, first_port: int) -> dict[str, str]:
    port = first_port + 1 + WORKERS if name == "mp" else first_port + 1
    return {"job": "lmcache.*", "model": ".+", "instance": f"127.0.0.1:{port}"}


def without_samples(scraping: Prometheus, found: list[Query], chosen: dict[str, str]) -> list[tuple[str, str]]:
    texts = [(query.panel, query.with_values(chosen)) for query in found]
    return [(panel, text) for panel, text in texts if not has_a_number(scraping.query(text))]


def has_a_number(samples: list[dict[str, Any]]) -> bool:
    return any(sample["value"][1] != "NaN" for sample in samples)


@needs_prometheus
@pytest.mark.parametrize("name", NAMES)
def test_each_query_finds_something(scraping: Prometheus, first_port: int, name: str) -> None:
    found = [query for query in queries(name) if name != "mp" or "lmcache_mp_" not in query.expression]
    assert len(found) > 8
    chosen = values(name, first_port)
    assert eventually(lambda: not without_samples(scraping, found, chosen)), without_samples(scraping, found, chosen)


@needs_prometheus
@pytest.mark.parametrize("name", NAMES)
def test_each_variable_has_a_choice(scraping: Prometheus, name: str) -> None:
    variables = [each for each in dashboard(name)["templating"]["list"] if each["type"] == "query"]
    assert variables
    for variable in variables:
        metric, label = variable["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
        series = scraping.query(Query("", metric).with_values({"job": "lmcache.*"}))
        assert {sample["metric"][label] for sample in series}, variable["query"]
