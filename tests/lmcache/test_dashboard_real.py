"""The dashboard of the real engine and of the real MP server, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.testing.real_engine import make_worker
from tests.browser import CHROMEDRIVER, CHROMIUM, Browser, open_browser
from tests.lmcache.mp_engine import serving, store, worker
from tests.support import eventually, free_port, lmcache_release

if not (CHROMIUM.exists() and CHROMEDRIVER.exists()):
    pytest.skip("needs Chromium and its driver", allow_module_level=True)

VIEWS = {
    "overview": "Healthy",
    "doctor": "Checked:",
    "backends": "LocalCPUBackend",
    "cache": "chunks in memory",
    "configuration": "chunk_size",
    "metadata": "kv_shape",
    "threads": "MainThread",
}
MP_VIEWS = {"overview": "Healthy", "mp": "L2: fs", "cache": "objects in memory"}


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
        shown = "return document.body.innerText"
        assert eventually(lambda: expected in browser.run(shown), 15), browser.run(shown)  # noqa: B023  # Called now.
        assert browser.run("return document.querySelector('p.error').textContent") == "", view
        texts.append(str(browser.run(shown)))
    return "\n".join(texts)


def test_the_views_show_the_real_engine(browser: Browser, real_server: InternalAPIServer) -> None:
    text = look(browser, real_server.port, VIEWS)
    assert "LocalCPUBackend\tin use" in text
    assert browser.console() == []


@pytest.mark.skipif(lmcache_release() < (0, 5, 6), reason="the routes are those of LMCache 0.5.6 and later")
def test_the_views_show_the_real_mp_server(browser: Browser, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.exporter.prometheus", reason="LMCache's MP server needs it")
    with serving(tmp_path, "lmcache_internal.integrations.lmcache_mp") as served, worker(served) as client:
        store(client, 1)
        text = look(browser, served.http, MP_VIEWS)
    for part in ("test-model", "1000", "blake3", "All parts are healthy.", "1 GiB"):
        assert part in text
