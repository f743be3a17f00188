"""A registry with kept series yields what prometheus_client does; test_renderer.py tries random changes."""

from __future__ import annotations

import gc
import itertools
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from lmcache_internal.metrics.kept_series import KeptSeries
from lmcache_internal.metrics.renderer import Renderer
from tests.support import ROOT, in_thread


def collected(source: Collector) -> list[Metric]:
    return list(source.collect())


def test_series_are_collected_once(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = CollectorRegistry()
    counter = Counter("counter", "", ["n"], registry=registry, unit="bytes")
    for number in range(3):
        counter.labels(number).inc()
    Summary("summary", "", registry=registry).observe(1)
    Histogram("histogram", "", ["n"], registry=registry, buckets=(-1, 1)).labels(1).observe(0)
    Histogram("from_zero", "", registry=registry, buckets=(0, 1)).observe(1)
    gauge = Gauge("gauge", "", registry=registry)
    computed = Gauge("computed", "", ["n"], registry=registry)
    computed.labels(1).set_function(itertools.count().__next__)
    kept = KeptSeries(registry)
    assert [len(family.samples) for family in kept.collect()] == [len(family.samples) for family in registry.collect()]
    asked: list[object] = []
    collect = MetricWrapperBase.collect

    def collect_and_note(metric: MetricWrapperBase) -> Iterable[Metric]:
        asked.append(metric)
        return collect(metric)

    monkeypatch.setattr(MetricWrapperBase, "collect", collect_and_note)
    gauge.set(7)
    counter.labels(1).inc(5)
    found = collected(kept)
    assert not asked
    registry.unregister(computed)
    assert [family for family in found if family.name != "computed"] == collected(registry)
    assert [family.samples[0].value for family in found if family.name == "computed"] == [3]


def test_a_series_in_the_place_of_another_is_noticed() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("gauge", "", ["n"], registry=registry)
    kept = KeptSeries(registry)
    for number in range(3):
        gauge.labels(number).set(number)
        assert collected(kept) == collected(registry)
        gauge.remove(str(number))


def test_zero_has_a_sign() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("gauge", "", registry=registry)
    kept, renderer = KeptSeries(registry), Renderer(generate_latest)
    for value in (0.0, -0.0):
        gauge.set(value)
        assert f"\ngauge {value}\n".encode() in renderer.render(kept)


def test_samples_in_another_order_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    samples_of = Histogram._child_samples
    monkeypatch.setattr(Histogram, "_child_samples", lambda metric: samples_of(metric)[::-1])  # type: ignore[index]
    registry = CollectorRegistry()
    Histogram("histogram", "", registry=registry).observe(1)
    kept = KeptSeries(registry)
    for _ in range(2):
        assert collected(kept) == collected(registry)


class OfOurOwn(Counter):
    def _child_samples(self):  # type: ignore[no-untyped-def]
        return [sample._replace(value=7.0) for sample in super()._child_samples()]


def doubled(collect: Callable[[], Iterable[Metric]]) -> Callable[[], Iterable[Metric]]:
    def collect_doubled() -> Iterable[Metric]:
        (family,) = collect()
        family.samples = [sample._replace(value=2 * sample.value) for sample in family.samples]
        return [family]

    return collect_doubled


CHANGES: dict[str, Callable[[Counter], object]] = {
    "an exemplar": lambda counter: counter.labels("1").inc(1, exemplar={"trace": "1"}),
    "other samples": lambda counter: setattr(counter.labels("1"), "_child_samples", lambda: ()),
    "another collect": lambda counter: setattr(counter, "collect", doubled(counter.collect)),
}


@pytest.mark.parametrize("first", [False, True], ids=["later", "at first"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_no_plain_value_is_collected_by_prometheus_client(
    change: Callable[[Counter], object], first: bool
) -> None:
    registry = CollectorRegistry()
    counter = Counter("counter", "", ["n"], registry=registry)
    counter.labels("1").inc()
    OfOurOwn("own", "", registry=registry)
    kept = KeptSeries(registry)
    if not first:
        assert collected(kept) == collected(registry)
    change(counter)
    for _ in range(2):
        assert collected(kept) == collected(registry)


def test_a_version_that_keeps_its_values_elsewhere_is_collected_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Value:
        """What prometheus_client asks of a value."""

        def get(self) -> float:
            return 7.0

        def get_exemplar(self) -> None: ...

    registry = CollectorRegistry()
    gauge = Gauge("gauge", "", registry=registry)
    monkeypatch.setattr("lmcache_internal.metrics.kept_series.MutexValue", Value)
    gauge._value = Value()
    assert collected(KeptSeries(registry)) == collected(registry)


class NoFamilies(CollectorRegistry):
    def collect(self) -> Iterable[Metric]:
        return []


def test_a_registry_with_another_collect_is_asked() -> None:
    Gauge("gauge", "", registry=(registry := NoFamilies()))
    assert collected(KeptSeries(registry)) == []
    Gauge("gauge", "", registry=(patched := CollectorRegistry()))
    kept = KeptSeries(patched)
    assert len(collected(kept)) == 1
    patched.collect = list  # type: ignore[method-assign]
    assert collected(kept) == []


def test_an_unregistered_metric_uses_no_memory() -> None:
    registry = CollectorRegistry()
    gauge = Gauge("gauge", "", registry=registry)
    Gauge("other", "", registry=registry)
    kept = KeptSeries(registry)
    collected(kept)
    alive = weakref.ref(gauge)
    registry.unregister(gauge)
    del gauge
    collected(kept)
    gc.collect()
    assert alive() is None


def test_scrapes_beside_changes_are_complete() -> None:
    registry = CollectorRegistry()
    counter = Counter("counter", "", ["n"], registry=registry)
    counter.labels("always").inc()
    kept = KeptSeries(registry)
    stopping = threading.Event()

    def change() -> None:
        number = 0
        while not stopping.is_set():
            number += 1
            counter.labels("always").inc()
            counter.labels(str(number)).inc()
            counter.remove(str(number))

    thread, _ = in_thread(change)
    try:
        last = 0.0
        for _ in range(300):
            (family,) = kept.collect()
            values = {
                tuple(sample.labels.values()): sample.value for sample in family.samples if "_total" in sample.name
            }
            assert values[("always",)] >= last
            last = values[("always",)]
            assert set(values.values()) - {last} <= {0.0, 1.0}
    finally:
        stopping.set()
        thread.join()


OF_SEVERAL_PROCESSES = """
from prometheus_client import CollectorRegistry, Counter
from lmcache_internal.metrics.kept_series import KeptSeries
from lmcache_internal.metrics.renderer import Renderer
registry = CollectorRegistry()
counter = Counter("counter", "", registry=registry)
kept = KeptSeries(registry)
for _ in range(3):
    counter.inc()
    assert list(kept.collect()) == list(registry.collect())
print(counter._value)
"""


def test_values_in_the_files_of_several_processes_are_read(tmp_path: Path) -> None:
    environ = os.environ | {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", OF_SEVERAL_PROCESSES], env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "MmapedValue" in done.stdout
