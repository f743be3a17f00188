"""The renderer's output equals that of prometheus_client byte for byte, for all metrics and changes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Enum,
    Gauge,
    Histogram,
    Info,
    Summary,
    disable_created_metrics,
    enable_created_metrics,
    generate_latest,
)
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar, Sample, Timestamp

from lmcache_internal.metrics.families import CountedFamily
from lmcache_internal.metrics.kept_series import KeptSeries
from lmcache_internal.metrics.renderer import Renderer
from tests.support import allocated_bytes, examples

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ACCEPTED = ["", OPENMETRICS] + [
    f"{media};escaping={escaping}"
    for media in (OPENMETRICS, "text/plain;version=1.0.0")
    for escaping in ("allow-utf-8", "underscores", "dots", "values")
]


class Families(Collector):
    def __init__(self, families: Iterable[Metric] = ()) -> None:
        self.families = families

    def collect(self) -> Iterable[Metric]:
        return self.families


def outcome(render: Callable[[Any], bytes], registry: Any) -> bytes | str:
    try:
        return render(registry)
    except Exception:  # If there are several reasons, either may be raised.
        return "fails"


TEXTS = st.text(st.sampled_from('ab_:.#{}=,"\\% \n\r\u2028é\ud800') | st.characters(), max_size=6)
NAMES = st.sampled_from(["a", "a_b", "lmcache:a", "a.b", "ä", "7"]) | TEXTS
VALUES: st.SearchStrategy[Any] = (
    st.floats()
    | st.sampled_from([0.0, -0.0, 1e6, 999999.5, 1e16, 1e-7, 123456789.125, 2**53 + 1, 10**400, True, "1.5", "x", None])
    | st.integers()
    | st.just(Decimal("1.10"))
)
SUFFIXES = st.sampled_from(
    ["", "_total", "_created", "_bucket", "_sum", "_count", "_gsum", "_gcount", "_info", "\n", " "]
)
EXEMPLARS = st.builds(Exemplar, st.dictionaries(TEXTS, TEXTS, max_size=2), VALUES, st.none() | st.floats())
RARELY = st.integers(0, 9).map(lambda number: number == 0)


@st.composite
def odd_families(draw: st.DrawFn) -> Metric:
    family = Metric(
        "a", draw(TEXTS), draw(st.sampled_from(["counter", "gauge", "histogram", "gaugehistogram", "info"]))
    )
    family.name = draw(NAMES)
    family.unit = draw(st.sampled_from(["", "seconds"]))
    for _ in range(draw(st.integers(0, 4))):
        name = draw(NAMES) if draw(RARELY) else family.name + draw(SUFFIXES)
        labels = draw(st.dictionaries(NAMES, TEXTS, max_size=3))
        extra: tuple[Any, ...] = (None, None)
        if draw(RARELY):
            timestamp = st.none() | st.floats() | st.builds(Timestamp, st.integers(0, 9), st.integers(0, 9))
            extra = draw(st.tuples(timestamp, st.none() | EXEMPLARS))
        family.add_sample(name, labels, draw(VALUES), *extra)
    return family


@st.composite
def next_families(draw: st.DrawFn, families: list[Metric]) -> list[Metric]:
    """Return families for the next scrape: other values, removed series, labels in another order."""
    for family in families:
        if draw(st.booleans()):
            family.samples = [sample._replace(value=draw(VALUES)) for sample in family.samples]
        if draw(RARELY):
            family.samples = [s._replace(labels=dict(reversed(s.labels.items()))) for s in family.samples]
        if draw(RARELY):
            family.samples = draw(st.permutations(family.samples))[1:]
    return families


@settings(max_examples=examples(150), deadline=None)
@given(st.data())
def test_odd_families(data: st.DataObject) -> None:
    families = data.draw(st.lists(odd_families(), max_size=4))
    encoder, _ = choose_encoder(data.draw(st.sampled_from(ACCEPTED)))
    renderer = Renderer(encoder)
    for _ in range(4):
        registry = Families(families)
        assert outcome(renderer.render, registry) == outcome(encoder, registry)
        families = data.draw(next_families(families))


LABEL_SETS = st.lists(st.dictionaries(st.sampled_from("ab"), TEXTS, max_size=2), max_size=4)


@settings(max_examples=examples(100), deadline=None)
@given(st.data())
def test_families_of_the_same_series(data: st.DataObject) -> None:
    encoder, _ = choose_encoder(data.draw(st.sampled_from(ACCEPTED)))
    renderer = Renderer(encoder)
    series: list[tuple[str, dict[str, str]]] = []
    for number in range(4):
        if number == 0 or data.draw(st.booleans()):  # Otherwise the very same object.
            series = [(f"a{data.draw(SUFFIXES)}", labels) for labels in data.draw(LABEL_SETS)]
        values = [data.draw(st.floats()) for _ in series]
        registry = Families([CountedFamily("a", "x", "counter", series, values)])
        plain = Metric("a", "x", "counter")
        plain.samples = [Sample(name, labels, value) for (name, labels), value in zip(series, values, strict=True)]
        if data.draw(RARELY):  # A family of another kind in its place.
            registry = Families([plain])
        assert outcome(renderer.render, registry) == outcome(encoder, Families([plain]))


def forget(metric: Any, labels: tuple[str, ...]) -> None:
    with contextlib.suppress(KeyError):  # Old versions raise it if there is no such series.
        metric.remove(*labels)


def reset(counter: Any) -> None:
    if hasattr(counter, "reset"):  # Since prometheus_client 0.19.
        counter.reset()


def replace(registry: CollectorRegistry, metric: Any) -> None:
    """Register a metric again, at the end."""
    registry.unregister(metric)
    registry.register(metric)


def hide_created(hidden: bool) -> None:
    (disable_created_metrics if hidden else enable_created_metrics)()  # type: ignore[no-untyped-call]


OPERATIONS: dict[str, Callable[[Any, float], object]] = {
    "count": lambda metrics, number: metrics["counter"].labels(number > 0, "x").inc(abs(number)),
    "gauge": lambda metrics, number: metrics["gauge"].set(number),
    "other gauge": lambda metrics, number: metrics["labeled"].labels('"\\\n', str(number)).set(number),
    "forget": lambda metrics, _number: metrics["labeled"].clear(),
    "observe": lambda metrics, number: metrics["histogram"].labels("é").observe(number),
    "observe with exemplar": lambda metrics, number: metrics["histogram"].labels("é").observe(number, {"trace": "1"}),
    "summarize": lambda metrics, number: metrics["summary"].observe(number),
    "inform": lambda metrics, number: metrics["info"].info({"version": str(number)}),
    "compute": lambda metrics, number: metrics["labeled"].labels("f", str(number)).set_function(lambda: number),
    "remove": lambda metrics, number: forget(metrics["counter"], (str(number > 0), "x")),
    "reset": lambda metrics, number: reset(metrics["counter"].labels(number > 0, "x")),
    "replace": lambda metrics, _number: replace(metrics["registry"], metrics["labeled"]),
    "hide the time of creation": lambda _metrics, number: hide_created(number > 0),
    "switch": lambda metrics, number: metrics["enum"].state(["on", "off"][number > 0]),
    "set target info": lambda metrics, number: metrics["registry"].set_target_info({"b": "%s", "a": str(number)}),
}


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(ACCEPTED), st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.floats()), max_size=12))
def test_metrics_of_all_kinds(accept: str, steps: list[tuple[str, float]]) -> None:
    registry = CollectorRegistry()
    metrics = {
        "registry": registry,
        "counter": Counter("lmcache:requests", 'Of "all"\nkinds, 100 %', ["ok", "model"], registry=registry),
        "gauge": Gauge("gauge", "", registry=registry, unit="bytes"),
        "labeled": Gauge("labeled", "\\", ["odd", "number"], registry=registry),
        "histogram": Histogram("histogram", "é", ["model"], registry=registry, buckets=(-1, 0.5, 2e6)),
        "summary": Summary("summary", "", registry=registry),
        "info": Info("build", "", registry=registry),
        "enum": Enum("enum", "", registry=registry, states=["on", "off"]),
    }
    encoder, _ = choose_encoder(accept)
    renderer, renderer_of_kept = Renderer(encoder), Renderer(encoder)
    kept = KeptSeries(registry)
    try:
        for operation, number in [*steps, *steps]:
            OPERATIONS[operation](metrics, number)
            assert renderer.render(registry) == encoder(registry)
            assert renderer_of_kept.render(kept) == encoder(registry)
    finally:
        hide_created(False)


@pytest.mark.parametrize(
    ("changed", "field", "values"),
    [
        ({}, {}, (0.0, -0.0)),
        ({}, {"timestamp": 0.0}, (1.0, 2.0)),
        ({}, {"exemplar": Exemplar({}, 0.0)}, (1.0, 2.0)),
        ({}, {"name": "family 0\nfamily"}, (1.0, 2.0)),
        ({"type": "gauge\nfamily 0"}, {}, (1.0, 2.0)),
        ({"documentation": "100 %% and %s"}, {}, (1.0, 2.0)),
    ],
)
@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_ambiguous_values_and_lines(
    accept: str, changed: dict[str, str], field: dict[str, Any], values: tuple[float, float]
) -> None:
    encoder, _ = choose_encoder(accept)
    renderer = Renderer(encoder)
    for value in values:
        family = Metric("family", "", "histogram")
        vars(family).update(changed)
        family.samples = [Sample("family_bucket", {}, value)._replace(**field)]
        assert renderer.render(Families([family])) == encoder(Families([family]))


def test_unchanged_layouts_are_not_encoded_again() -> None:
    written = []

    def encoder(registry: Collector) -> bytes:
        written.append(registry)
        return generate_latest(registry)

    registry = CollectorRegistry()
    gauge = Gauge("gauge", "100 %", ["n"], registry=registry)
    gauge.labels("1").set(1)
    Histogram("histogram", "", registry=registry).observe(1)
    renderer = Renderer(encoder)
    renderer.render(registry)
    written.clear()
    gauge.labels("1").set(2)
    assert b'gauge{n="1"} 2.0' in renderer.render(registry)
    assert not written
    gauge.labels("2").set(1)
    assert b'gauge{n="2"} 1.0' in renderer.render(registry)
    assert len(written) == 1


def test_labels_changed_in_place_are_detected() -> None:
    labels = {"version": "1"}
    registry = CollectorRegistry(target_info=labels)
    renderer = Renderer(generate_latest)
    assert b'version="1"' in renderer.render(registry)
    labels["version"] = "2"
    assert b'version="2"' in renderer.render(registry)


@pytest.mark.parametrize("at_once", [list, iter])
def test_samples_that_can_be_read_only_once(at_once: Callable[[list[Sample]], list[Sample]]) -> None:
    family = Metric("family", "", "gauge")
    family.samples = at_once([Sample("family", {}, 1.0)])
    assert b"family 1.0" in Renderer(generate_latest).render(Families([family]))


def test_two_families_with_the_same_name() -> None:
    families = []
    for number in (1, 2):
        families.append(Metric("family", "", "gauge"))
        families[-1].add_sample("family", {"n": str(number)}, number)
    renderer = Renderer(generate_latest)
    for _ in range(3):
        assert renderer.render(Families(families)) == generate_latest(Families(families))


def test_a_failing_collector_does_not_affect_the_next_scrape() -> None:
    class Failing(Collector):
        fails = True

        def collect(self) -> Iterable[Metric]:
            if self.fails:
                raise OSError("no metrics")
            return []

    registry = CollectorRegistry()
    Gauge("gauge", "", registry=registry)
    failing = Failing()
    registry.register(failing)
    renderer = Renderer(generate_latest)
    with pytest.raises(OSError, match="no metrics"):
        renderer.render(registry)
    failing.fails = False
    assert b"gauge 0.0" in renderer.render(registry)


def test_removed_series_use_no_memory() -> None:
    def renderer_after(scrapes: int) -> Renderer:
        renderer = Renderer(generate_latest)
        for number in range(100, 100 + scrapes):
            family = Metric(f"family_{number}", "", "gauge")
            for series in range(20):
                family.add_sample("sample", {"series": f"{number}.{series}"}, number)
            renderer.render(Families([family]))
        return renderer

    one_family = allocated_bytes(lambda: renderer_after(1))
    assert one_family > 2_000
    assert allocated_bytes(lambda: renderer_after(50)) < 5 * one_family
