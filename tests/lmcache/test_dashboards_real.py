"""Dashboards and rules use names of metrics that the real engine has, and the MP dashboard's queries find something."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse_text

from lmcache_internal import create_app
from tests.lmcache.mp_engine import OURS, serving, store, worker
from tests.observability.panels import metric_names, queries
from tests.observability.prometheus import RULES, needs_prometheus, prometheus
from tests.observability.test_dashboards import has_a_number
from tests.support import eventually, lmcache_release

pytestmark = pytest.mark.skipif(lmcache_release() < (0, 5, 6), reason="the dashboards are for LMCache 0.5.6 and later")


def names_of(text: str) -> set[str]:
    families = list(parse_text(text))
    # LMCache exposes a histogram without samples until it has observed a value.
    buckets = {f"{family.name}_bucket" for family in families if family.type == "histogram"}
    return buckets | {sample.name for family in families for sample in family.samples}


def used_names() -> set[str]:
    """Return the names that the dashboards and the rules use."""
    rules = [re.sub(r"#.*", "", path.read_text()) for path in RULES]
    return metric_names([query.expression for name in ("fleet", "rank", "mp") for query in queries(name)] + rules)


MP_PREFIXES = ("lmcache_mp_", "lmcache_internal:mp_")
"""The metrics of MP servers only."""


@pytest.fixture(scope="module")
def mp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Any]]:
    """The HTTP port of LMCache's MP server, and a worker that has stored tokens in it."""
    with (
        serving(tmp_path_factory.mktemp("mp"), OURS) as served,
        worker(served) as client,
    ):
        store(client)
        yield served.http, client


def test_the_names_of_in_process_metrics_are_those_of_the_engine() -> None:
    from lmcache_internal.testing.real_engine import make_worker

    used = {name for name in used_names() if not name.startswith(MP_PREFIXES)}
    assert len(used) > 20
    # The in-process client of this test has no listener, and the load is that of a listener.
    used -= {f"lmcache_internal:{name}" for name in ("connections", "queued_requests", "busy_threads")}
    manager = make_worker("dashboards")
    try:
        client = create_app(manager).test_client()

        def missing() -> set[str]:
            return used - names_of(client.get("/metrics").text)

        # The first scrape starts the health checks.
        assert eventually(lambda: not missing()), missing()
    finally:
        manager.stop_services()


def test_the_names_of_mp_metrics_are_those_of_the_mp_server(mp: tuple[int, Any]) -> None:
    port, _ = mp
    used = {name for name in used_names() if name.startswith(MP_PREFIXES)}
    assert len(used) > 15

    def missing() -> set[str]:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
            return used - names_of(response.read().decode())

    assert eventually(lambda: not missing()), missing()


@needs_prometheus
def test_each_query_of_the_mp_dashboard_finds_something(mp: tuple[int, Any], tmp_path: Path) -> None:
    port, client = mp
    target = f"127.0.0.1:{port}"
    with prometheus(tmp_path, [{"job_name": "lmcache-mp", "static_configs": [{"targets": [target]}]}]) as scraping:
        found = [query.with_values({"instance": target}) for query in queries("mp")]
        sequences = count(10)

        def without_samples() -> list[str]:
            store(client, next(sequences))  # A ratio needs lookups while Prometheus scrapes.
            time.sleep(0.5)
            return [text for text in found if not has_a_number(scraping.query(text))]

        assert eventually(lambda: not without_samples()), without_samples()
