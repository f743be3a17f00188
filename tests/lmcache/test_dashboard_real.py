"""The dashboard of the real engine and of the real MP server, in a real Chromium."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.testing.real_engine import make_scheduler, make_worker
from tests.browser import CHROMEDRIVER, CHROMIUM, Browser, open_browser
from tests.lmcache.mp_engine import OURS, serving, store, worker
from tests.support import eventually, free_port, lmcache_release
from tests.ui.support import ASSETS, shown

if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
    pytest.skip("needs Chromium and its driver", allow_module_level=True)

COMMON = {
    "overview": "Healthy",
    "doctor": "Checked:",
    "environment": "PATH",
    "loglevels": "NOTSET",
    "threads": "MainThread",
    "requests": "Duration",
    "scripts": "Run",
    "audit": "Caller",
}
RANK = COMMON | {"configuration": "chunk_size", "metadata": "model_name"}
WORKER = RANK | {"backends": "LocalCPUBackend", "cache": "chunks in memory", "metadata": "kv_shape"}
SCHEDULER = RANK
WITHOUT_ENGINE = ("backends", "cache")
MP_VIEWS = COMMON | {"mp": "L2: fs", "cache": "objects in memory"}
NO_VALUE = "\N{EN DASH}"
TITLES = (
    "Token hit rate, last 30 s",
    "Tokens, last 30 s",
    "Median latency (p50), last 30 s",
    "Slowest 5 % (p95), last 30 s",
)
"""The charts whose lines all have values while there is traffic."""
TRAFFIC = ("store?tokens_mock=0,256", "retrieve?tokens_mock=0,256", "retrieve?tokens_mock=0,512")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def real_server() -> Iterator[InternalAPIServer]:
    manager = make_worker(
        "dashboard", internal_api_server_enabled=False, internal_api_server_port_start=free_port() - 1
    )
    manager.config.internal_api_server_enabled = True  # Only now, so that LMCache does not start its own server.
    try:
        with InternalAPIServer(manager) as server:
            yield server
    finally:
        manager.stop_services()


def look(browser: Browser, port: int, views: dict[str, str]) -> str:
    """Open each view; return the text of all."""
    texts = []
    for view, expected in views.items():
        browser.open("about:blank")
        browser.open(f"http://127.0.0.1:{port}/ui#{view}")
        assert eventually(lambda: expected in shown(browser)), shown(browser)  # noqa: B023  # Called now.
        assert browser.run("return document.querySelector('p.error').textContent") == "", view
        texts.append(shown(browser))
    return "\n".join(texts)


@contextlib.contextmanager
def traffic(port: int) -> Iterator[None]:
    """Store and retrieve tokens all the time."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.1):
            for call in TRAFFIC:
                urlopen(Request(f"http://127.0.0.1:{port}/cache/{call}", method="POST")).close()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def test_the_views_show_the_real_engine(browser: Browser, real_server: InternalAPIServer) -> None:
    text = look(browser, real_server.port, WORKER)
    assert "LocalCPUBackend\tin use" in text
    assert browser.console() == []


def test_the_overview_shows_the_traffic_of_the_real_engine(browser: Browser, real_server: InternalAPIServer) -> None:
    with traffic(real_server.port):
        browser.open("about:blank")
        browser.open(f"http://127.0.0.1:{real_server.port}/ui")
        readout = """return Object.fromEntries([...document.querySelectorAll('.chart')].map((chart) => [
            chart.querySelector('figcaption').textContent, chart.querySelector('.readout').textContent]))"""
        values: dict[str, str] = {}

        def has_all() -> bool:
            values.update(browser.run(readout))
            return (
                values.keys() >= set(TITLES)
                and all("hit" in values[title] or "retrieve" in values[title] for title in TITLES)
                and not any(NO_VALUE in values[title].replace(f"lookup {NO_VALUE}", "") for title in TITLES)
            )

        assert eventually(has_all), values  # The engine updates its counters every 10 s.
        text = shown(browser)
        assert "no traffic" not in text
        assert "256 MiB" in text  # The limit of LocalCPUBackend.
        assert version("lmcache") in text
    assert browser.console() == []


def test_the_metrics_of_the_overview_are_those_of_the_real_engine(real_server: InternalAPIServer) -> None:
    text = urlopen(f"http://127.0.0.1:{real_server.port}/metrics").read().decode()
    sources = [ASSETS / name for name in ("history.js", "usage.js", "health.js", "views/overview_details.js")]
    names = set(re.findall(r'"(lmcache(?:_internal)?:\w+)"', "".join(source.read_text() for source in sources)))
    assert len(names) > 15
    assert {name for name in names if f"# TYPE {name}" not in text} == set()


def test_the_views_show_the_scheduler(browser: Browser) -> None:
    port = free_port()
    scheduler = make_scheduler(
        "dashboard-scheduler", internal_api_server_enabled=False, internal_api_server_port_start=port
    )
    scheduler.config.internal_api_server_enabled = True
    try:
        with InternalAPIServer(scheduler) as server:
            look(browser, server.port, SCHEDULER)
            problem = "return document.querySelector('p.error').textContent"
            for view in WITHOUT_ENGINE:
                browser.run("location.hash = arguments[0]", view)
                assert eventually(lambda: "A scheduler has none" in browser.run(problem)), view
    finally:
        scheduler.stop_services()
    assert [line for line in browser.console() if "status of 503" not in line] == []


@pytest.mark.skipif(lmcache_release() < (0, 5, 6), reason="the routes are those of LMCache 0.5.6 and later")
def test_the_views_show_the_real_mp_server(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")
    with serving(tmp_path, OURS) as served, worker(served) as client:
        store(client, 1)
        text = look(browser, served.http, MP_VIEWS)
    for part in (
        "test-model",
        "1000",
        "blake3",
        "All parts are healthy.",
        "1 GiB",
        "Loading objects into L1\t0",
        *(["At most "] if lmcache_release() < (0, 5, 7) else []),  # Later versions do not report the limit.
    ):
        assert part in text
