"""An invalid family does not prevent others from being scraped; each scraper gets its preferred format."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lmcache_internal.metrics.encoding import preferred
from lmcache_internal.metrics.exposition import expose
from tests.support import examples

OPENMETRICS = "application/openmetrics-text;version=1.0.0"
FORMATS = [
    "",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    OPENMETRICS,
    *(f"{OPENMETRICS};escaping={escaping}" for escaping in ("allow-utf-8", "underscores", "values", "dots")),
]
NAMES = st.sampled_from(["a", "a_b", "lmcache:a", "a.b", "a-b", "ä", "7", "", "\udcff", 'x"', "x\n", "x{", "__name__"])
TEXTS = NAMES | st.text(st.sampled_from('a\\"\n{},=#\ud800é '), max_size=4)
VALUES: st.SearchStrategy[Any] = st.floats() | st.integers() | st.sampled_from([None, "x", "1.5", 10**400])
# The syntax of Prometheus' own lexer; prometheus_client's parsers fail for braces in quotes.
QUOTED = r'"(?:[^"\\\n]|\\.)*"'
LABEL = rf"([a-zA-Z_][a-zA-Z0-9_]*|{QUOTED})={QUOTED}"
LABELS = rf"(?P<labels>{LABEL}(?:,{LABEL})*)"
READABLE = re.compile(rf"(?:[a-zA-Z_:][a-zA-Z0-9_:]*(?:\{{{LABELS}\}})?|\{{{QUOTED}(?:,.*)?\}}) [-+0-9.eEinfINFaN]+")


class Odd(Collector):
    """An unusual family, with a valid one before and after it."""

    def __init__(self, name: str, labels: dict[str, str], value: Any, documentation: str) -> None:
        self.arguments = name, labels, value, documentation

    def collect(self) -> Iterable[Metric]:
        name, labels, value, documentation = self.arguments
        odd = Metric("odd", documentation, "gauge")
        odd.name = name
        odd.add_sample(name, labels, value)
        yield GaugeMetricFamily("lmcache:before", "Good", value=1)
        yield odd
        yield GaugeMetricFamily("lmcache:after", "Good", value=2)


@settings(max_examples=examples(300), deadline=None)
@given(
    accept=st.sampled_from(FORMATS),
    name=NAMES,
    labels=st.dictionaries(TEXTS, TEXTS, max_size=3),
    value=VALUES,
    text=TEXTS,
)
@example(accept=OPENMETRICS, name="a", labels={"x": "\udcff"}, value=1, text="")
@example(accept=OPENMETRICS, name="a", labels={"x.y": "1"}, value=1, text="")
@example(accept="", name="a", labels={"x.y": "1", "x_y": "2"}, value=1, text="")
@example(accept="", name="a", labels={"7": "1", "é": "2"}, value=1, text="")
@example(accept=f"{OPENMETRICS};escaping=dots", name="a", labels={"a_b": "1", "a-b": "2"}, value=1, text="")
def test_an_invalid_family_does_not_affect_others(
    accept: str, name: str, labels: dict[str, str], value: Any, text: str
) -> None:
    registry = CollectorRegistry()
    registry.register(Odd(name, labels, value, text))
    body, headers = expose(registry, accept, "")
    lines = body.decode().split("\n")
    if "dots" not in accept:  # With dots, a colon is escaped.
        assert {"lmcache:before 1.0", "lmcache:after 2.0"} <= set(lines)
    assert [line for line in lines if not (READABLE.fullmatch(line) or line.startswith("#"))] == [""]
    repeated = [
        line for line in lines if len(set(labels_of(line))) < len(labels_of(line)) or "__name__" in labels_of(line)
    ]
    assert repeated == []
    assert body.endswith(b"# EOF\n") is ("openmetrics" in headers["Content-Type"])


def labels_of(line: str) -> list[str]:
    found = READABLE.fullmatch(line)
    return re.findall(LABEL, found["labels"] or "") if found else []


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    registry = CollectorRegistry()
    registry.register(Odd("a", {"x": "\udcff"}, 3, "Odd \ud800"))
    for accept in FORMATS:
        assert b'a{x="\\\\udcff"} 3.0\n' in expose(registry, accept, "")[0]


def test_label_names_that_need_quotes_are_escaped_for_scrapers_without_utf8() -> None:
    registry = CollectorRegistry()
    registry.register(Odd("lmcache:a", {"x.y": "{"}, 3, ""))
    assert b'lmcache_a{x_y="{"} 3.0\n' in expose(registry, OPENMETRICS, "")[0]
    assert b'lmcache:a{x_y="{"} 3.0\n' in expose(registry, "", "")[0]
    assert b'lmcache:a{"x.y"="{"} 3.0\n' in expose(registry, f"{OPENMETRICS};escaping=allow-utf-8", "")[0]


@pytest.mark.parametrize("odd", [None, "text", 5])
def test_an_object_that_is_no_family_does_not_affect_others(odd: Any) -> None:
    class Careless(Collector):
        def collect(self) -> Iterable[Metric]:
            yield from (odd, GaugeMetricFamily("lmcache:after", "Good", value=2))

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Careless())
    assert expose(registry, "", "")[0].endswith(b"lmcache:after 2.0\n")


def test_an_omitted_family_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    registry = CollectorRegistry()
    registry.register(Odd("omitted_once", {}, "no number", ""))
    for _ in range(3):
        expose(registry, "", "")
    (record,) = caplog.records
    assert "'omitted_once' is omitted from /metrics: ValueError" in record.getMessage()


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "text"),
        ("*/*", "text"),
        ("nonsense;;,", "text"),
        (OPENMETRICS, "openmetrics"),
        (f"{OPENMETRICS};q=0", "text"),
        (f"{OPENMETRICS};q=0.0,text/plain;q=0.1", "text"),
        (f"{OPENMETRICS};q=0,*/*", "text"),
        (f"{OPENMETRICS};q=0.5,text/plain;version=0.0.4;q=0.9", "text"),
        (f"text/plain;version=0.0.4;q=0.5,{OPENMETRICS};q=0.9", "openmetrics"),
        (f"text/plain;q=0.5,{OPENMETRICS}", "openmetrics"),
        (f"{OPENMETRICS};q=0.5,*/*", "text"),
        ("application/openmetrics-text;version=0.0.1", "text"),
        ("application/openmetrics-text;version=abc", "text"),
        ("application/openmetrics-text", "openmetrics"),
        ("text/plain;version=abc", "text"),
        ("text/plain;q=0", "text"),
        ("\u00ff", "text"),
    ],
)
def test_the_preferred_format_is_selected(accept: str, chosen: str) -> None:
    assert ("openmetrics" in preferred(accept)) is (chosen == "openmetrics")
    _, headers = expose(CollectorRegistry(), accept, "")
    assert ("openmetrics" in headers["Content-Type"]) is (chosen == "openmetrics")
