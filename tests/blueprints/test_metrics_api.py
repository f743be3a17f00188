"""GET /metrics, under every Accept header that scrapers send."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from werkzeug.test import TestResponse

from lmcache_internal.metrics.exposition import expose

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROMETHEUS_3_LEGACY_NAMES = PROMETHEUS_3.replace("allow-utf-8", "underscores")
SAMPLE = 'lmcache:num_store_requests_total{model_name="test-model"'


def test_curl_gets_plain_text_0_0_4(client: FlaskClient) -> None:
    response = client.get("/metrics")
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert f"\n{SAMPLE}" in response.text
    assert list(parse_text(response.text))


@pytest.mark.parametrize("accept", [PROMETHEUS_2, PROMETHEUS_3, PROMETHEUS_3_LEGACY_NAMES])
def test_prometheus_gets_openmetrics_with_the_right_names(client: FlaskClient, accept: str) -> None:
    response = client.get("/metrics", headers={"Accept": accept})
    assert response.mimetype == "application/openmetrics-text"
    assert f"\n{SAMPLE}" in response.text
    assert "lmcache_num" not in response.text
    assert response.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    "accept", ["text/plain", "text/plain;version=0.0.4", "*/*", "text/html", "nonsense;;,", "\u00ff"]
)
def test_other_accept_headers_get_plain_text(client: FlaskClient, accept: str) -> None:
    response = client.get("/metrics", headers={"Accept": accept})
    assert (response.status_code, response.mimetype) == (200, "text/plain")
    assert f"\n{SAMPLE}" in response.text


@pytest.mark.parametrize("family", ["dots.are.new", "family"])
def test_utf8_name_is_escaped_for_old_scrapers(family: str) -> None:
    class Dotted(Collector):
        def collect(self) -> Iterable[Metric]:
            found = Metric(family, "A name that old Prometheus refuses", "unknown")
            found.add_sample("dots.are.new", {}, 1)
            return [found]

    registry = CollectorRegistry()
    try:
        Counter("dots.are.new", "", registry=None)
    except ValueError:
        pytest.skip("this prometheus_client refuses such names by itself")
    registry.register(Dotted())
    body, headers = expose(registry, PROMETHEUS_2, "")
    assert b"dots.are" not in body
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert list(parse_openmetrics(body.decode()))  # type: ignore[no-untyped-call]
    assert b'{"dots.are.new"}' in expose(registry, PROMETHEUS_3, "")[0]


@pytest.mark.parametrize(
    "accept",
    ["", "text/plain;version=1.0.0", "text/plain;version=1.0.0;escaping=allow-utf-8", PROMETHEUS_3],
)
def test_output_is_identical_to_prometheus_client(accept: str) -> None:
    encoder, content_type = choose_encoder(accept)
    for _ in range(2):
        body, headers = expose(REGISTRY, accept, "")
        expected = encoder(REGISTRY)
        assert headers["Content-Type"] == content_type
        assert without_process(body) == without_process(expected)


def without_process(exposition: bytes) -> list[bytes]:
    """Return the lines except those that change constantly, or by a thread of another test's app."""
    changing = re.compile(rb"process_|python_gc_|(# (HELP|TYPE) )?lmcache_internal:check_status\b")
    return [line for line in exposition.splitlines() if not changing.match(line)]


@pytest.mark.parametrize(
    ("accepted", "zipped"), [("gzip", True), ("br, gzip;q=0.5", True), ("gzip;q=0", False), ("br", False)]
)
def test_gzip_is_used_if_accepted(client: FlaskClient, accepted: str, zipped: bool) -> None:
    response = client.get("/metrics", headers={"Accept-Encoding": accepted})
    assert (response.headers.get("Content-Encoding") == "gzip") is zipped
    assert SAMPLE.encode() in plain(response)


def plain(response: TestResponse) -> bytes:
    zipped = response.headers.get("Content-Encoding") == "gzip"
    return gzip.decompress(response.data) if zipped else response.data


STORED = "lmcache:num_store_requests"


def sample_names(text: str) -> set[str]:
    return {sample.name for family in parse_text(text) for sample in family.samples}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"name[]={STORED}_total", {f"{STORED}_total"}),
        (f"name%5B%5D={STORED}_total&name[]=lmcache:lookup_hit_rate", {f"{STORED}_total", "lmcache:lookup_hit_rate"}),
        ("name[]=lmcache:time_to_store_count", {"lmcache:time_to_store_count"}),
        ("name[]=lmcache_internal:stuck_calls&name[]=nobody", {"lmcache_internal:stuck_calls"}),
        # The name of a family selects all its samples.
        (f"name[]={STORED}", {f"{STORED}_total", f"{STORED}_created"}),
        (
            "name[]=lmcache:time_to_store",
            {f"lmcache:time_to_store_{suffix}" for suffix in ("bucket", "count", "sum", "created")},
        ),
        ("name[]=python_info", {"python_info"}),
        ("name[]=", None),
        ("names=nobody", None),
    ],
)
def test_name_filter_selects_samples_and_families(client: FlaskClient, query: str, expected: set[str] | None) -> None:
    # The results of health checks appear after the first scrape.
    late = {"lmcache_internal:check_status"}
    everything = sample_names(client.get("/metrics").text)
    found = sample_names(client.get(f"/metrics?{query}").text)
    assert found - late == (everything - late if expected is None else expected)


def test_a_selected_family_without_samples_is_omitted(client: FlaskClient) -> None:
    without = Gauge("lmcache_test:without_samples", "", ["name"])
    try:
        for _ in range(2):
            assert client.get("/metrics?name[]=lmcache_test:without_samples").text.strip() == ""
    finally:
        REGISTRY.unregister(without)


@pytest.mark.parametrize("suffix", ["sum", "count"])
def test_selected_values_match_full_output_at_each_scrape(client: FlaskClient, suffix: str) -> None:
    name = f"lmcache_internal:request_seconds_{suffix}"

    def value(query: str) -> float:
        return next(
            s.value for f in parse_text(client.get(f"/metrics{query}").text) for s in f.samples if s.name == name
        )

    for _ in range(3):
        before, selected, after = value(""), value(f"?name[]={name}"), value("")
        assert before < selected < after


@pytest.mark.parametrize("accept", ["", PROMETHEUS_2, PROMETHEUS_3])
def test_filtered_samples_match_full_output(client: FlaskClient, accept: str) -> None:
    options = {"headers": {"Accept": accept, "Accept-Encoding": "gzip"}}
    whole, some = (
        plain(client.get(path, **options)).decode() for path in ("/metrics", f"/metrics?name[]={STORED}_total")
    )
    assert {line for line in some.splitlines() if SAMPLE in line} == {
        line for line in whole.splitlines() if SAMPLE in line
    }
    assert set(some.splitlines()) <= set(whole.splitlines())
    assert f"# HELP {STORED}" in some


def test_filtered_values_are_those_of_the_moment_of_the_scrape(client: FlaskClient) -> None:
    def filtered() -> float:
        (line,) = (
            line for line in client.get(f"/metrics?name[]={STORED}_total").text.splitlines() if line.startswith(SAMPLE)
        )
        return float(line.rpartition(" ")[2])

    before = [filtered(), filtered()]
    client.post("/cache/store?tokens_mock=9000,9016")
    assert [filtered() - value for value in before] == [1, 1]


def test_a_misspelt_name_is_met_with_the_right_one(client: FlaskClient) -> None:
    response = client.get("/metrics?name[]=lmcache:num_store_request")
    assert response.text.startswith("# There is no metric 'lmcache:num_store_request'; did you mean lmcache:num_store")
    assert response.text.count("\n") == 1
    assert not sample_names(response.text)
    both = client.get(f"/metrics?name[]={STORED}_total&name[]=lmcache%0Ax 1&name[]={STORED}_totl").text
    assert sample_names(both) == {f"{STORED}_total"}
    assert both.splitlines()[-1].endswith(f"did you mean {STORED}_total?")


def test_small_bodies_are_not_compressed(client: FlaskClient) -> None:
    headers = {"Accept-Encoding": "gzip"}
    assert "Content-Encoding" not in client.get(f"/metrics?name[]={STORED}_total", headers=headers).headers


@pytest.mark.parametrize(("accept", "body"), [("", ""), (PROMETHEUS_2, "# EOF\n")])
@pytest.mark.parametrize("name", ["nobody", "lmcache:x", "%00", "%FF", "*", "x" * 5000])
def test_unknown_names_get_empty_exposition(client: FlaskClient, accept: str, body: str, name: str) -> None:
    response = client.get(f"/metrics?name[]={name}", headers={"Accept": accept})
    assert (response.status_code, response.text) == (200, body)


def test_filter_does_not_modify_collector_families() -> None:
    class Keeping(Collector):
        families = (GaugeMetricFamily("kept", "The same object at each scrape", value=1),)

        def collect(self) -> Iterable[Metric]:
            return self.families

    registry = CollectorRegistry()
    registry.register(Keeping())
    assert expose(registry, "", "", ["nobody"])[0] == b""
    assert b"kept 1.0" in expose(registry, "", "")[0]
