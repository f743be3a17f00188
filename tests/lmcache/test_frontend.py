"""lmcache-frontend, LMCache's dashboard, works with this server: a test of each tab in a real browser.

    python -m tests.lmcache.test_frontend PORT [SOCKET_PATH_PREFIX]

serves a scheduler and a worker of real engines until the end of stdin.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.browser import CHROMEDRIVER, CHROMIUM, Browser, answers, open_browser, running
from tests.support import eventually, free_port

# The page loads Bootstrap from a CDN and needs it for the tabs. The browser of the tests can only connect to
# loopback, so it uses Debian's Bootstrap 5, which has the same tabs.
BOOTSTRAP = Path("/usr/share/javascript/bootstrap5")

NEEDED = {
    "LMCache": find_spec("lmcache"),
    "lmcache-frontend": find_spec("lmcache_frontend"),
    "Debian's chromium": CHROMIUM.exists(),
    "Debian's chromium-driver": CHROMEDRIVER.exists(),
    "Debian's libjs-bootstrap5": BOOTSTRAP.exists(),
}
MISSING = [name for name, found in NEEDED.items() if not found]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")

KINDS = ("port", "unix")
ROLES = ("scheduler", "worker")
NODES = [f"{kind}-{role}" for kind in KINDS for role in ROLES]
# Log Level has a separate test; Node Management lists only the dashboard's nodes.
TABS = ("overview", "metrics", "threads", "config", "meta", "inference", "env")
SECRET = "never-shown"


@dataclass(frozen=True)
class Dashboard:
    """The running frontend and a browser.

    Attributes:
        port: the port of the frontend.
        starts: `internal_api_server_port_start` of the engines of each kind.
    """

    browser: Browser
    port: int
    starts: dict[str, int]

    def choose(self, node: str) -> None:
        """Load the page and choose a node, as a user does; then the Overview tab is open."""
        self.open()
        self.browser.click("//input[@id='proxySearchInput']")
        self.browser.click("//a[@data-proxy-name='local_proxy']")
        self.browser.click(f"//select[@id='targetSelector']/option[starts-with(., '{node} ')]")

    def open(self) -> None:
        self.browser.open(f"http://127.0.0.1:{self.port}/")
        add = "document.head.prepend(Object.assign(document.createElement('style'), {textContent: arguments[0]}))"
        self.browser.run(add, (BOOTSTRAP / "css" / "bootstrap.min.css").read_text())
        self.browser.run((BOOTSTRAP / "js" / "bootstrap.bundle.min.js").read_text())

    def click_tab(self, tab: str) -> None:
        self.browser.click(f"//button[@data-bs-target='#{tab}']")

    def shows(self, tab: str, text: str) -> str:
        """Return the text of the tab when it contains `text`, or after 10 seconds."""
        content = f"//div[@id='{tab}']"
        eventually(lambda: text in self.browser.text(content))
        return self.browser.text(content)


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    directory = tmp_path_factory.mktemp("frontend")
    port, starts = free_port(), {kind: free_port(2) for kind in KINDS}
    with contextlib.ExitStack() as stack:
        stack.enter_context(run_frontend(port, starts, directory))
        for kind, start in starts.items():
            stack.enter_context(run_engines(kind, start, port, directory))
        yield Dashboard(stack.enter_context(open_browser(directory)), port, starts)


def run_frontend(port: int, starts: dict[str, int], directory: Path) -> contextlib.AbstractContextManager[None]:
    nodes = [
        {"name": f"{kind}-{role}", "host": "127.0.0.1", "port": address_of(kind, starts[kind] + index, directory)}
        for kind in KINDS
        for index, role in enumerate(ROLES)
    ]
    program = Path(sysconfig.get_path("scripts")) / "lmcache-frontend"
    command = [str(program), "--host", "127.0.0.1", "--port", str(port), "--nodes", json.dumps(nodes)]
    # Without NO_PROXY, it would use a proxy of the environment.
    return running(command, directory / "frontend.log", lambda: answers(port, "/health"), {"NO_PROXY": "*"})


def run_engines(kind: str, start: int, frontend: int, directory: Path) -> contextlib.AbstractContextManager[None]:
    prefix = [str(directory / "socket")] if kind == "unix" else []
    command = [sys.executable, "-m", "tests.lmcache.test_frontend", str(start), *prefix]
    environ = {"LMCACHE_TRACK_USAGE": "false", "FRONTEND_TEST_KIND": kind, "FRONTEND_TEST_TOKEN": SECRET}

    def are_up() -> bool:
        return all(answers(frontend, f"/proxy2/{kind}-{role}/version") for role in ROLES)

    return running(command, directory / f"{kind}.log", are_up, environ)


def address_of(kind: str, port: int, directory: Path) -> str:
    """Return a node's `port` for the frontend: a string, because its /metrics fails otherwise; a path is a socket."""
    return str(port) if kind == "port" else f"{directory}/socket_{port}"


def expected(tab: str, kind: str, role: str, start: int) -> list[str]:
    """Return texts that a tab shows only with data from this server."""
    # The scheduler of these tests has no connector.
    inference = {"scheduler": "{}", "worker": '{\n  "engine": "none"\n}'}[role]
    return {
        "overview": [f"Name:{kind}-{role}\n", f'"{version("lmcache")}-g'],
        "metrics": ['\nlmcache:num_store_requests_total{model_name="test-model",', "\nlmcache_internal:stuck_calls "],
        "threads": [f"Thread: <Thread(internal-api-server:{start + ROLES.index(role)}, started daemon "],
        "config": ['\n  "chunk_size": 256,\n', f'\n  "internal_api_server_port_start": {start},\n'],
        "meta": ['\n  "model_name": "test-model",\n', f'\n  "role": "{role}",\n'],
        "inference": [f"Inference Information\n{inference}"],
        "env": [f"\nFRONTEND_TEST_KIND={kind}\n", "\nFRONTEND_TEST_TOKEN=***\n"],
    }[tab]


@pytest.mark.parametrize("tab", TABS)
@pytest.mark.parametrize("node", NODES)
def test_tab_shows_the_data_of_the_node(dashboard: Dashboard, node: str, tab: str) -> None:
    kind, role = node.split("-")
    dashboard.choose(node)
    dashboard.click_tab(tab)
    for text in expected(tab, kind, role, dashboard.starts[kind]):
        assert text in dashboard.shows(tab, text)


@pytest.mark.parametrize("node", NODES)
def test_log_level_tab_sets_shows_and_reads_a_level(dashboard: Dashboard, node: str) -> None:
    browser, logger = dashboard.browser, f"frontend.{node}"
    dashboard.choose(node)
    dashboard.click_tab("loglevel")
    assert "\nlmcache_internal.server: " in dashboard.shows("loglevel", "=== Loggers and Levels ===")
    browser.type("//input[@id='loggerInput']", logger)
    browser.click("//select[@id='logLevelSelector']/option[@value='ERROR']")
    browser.click("//button[@id='setLogLevelBtn']")
    assert browser.alert() == f"Set {logger} level to ERROR (including all handlers)"
    assert f"\n{logger}: ERROR" in dashboard.shows("loglevel", f"\n{logger}: ERROR")
    browser.type("//input[@id='loggerInput']", logger)
    browser.click("//select[@id='logLevelSelector']/option[@value='']")
    browser.click("//button[@id='setLogLevelBtn']")
    assert browser.alert() == f"{logger}: ERROR"


@pytest.mark.parametrize("node", NODES)
def test_config_tab_reads_but_cannot_set_as_with_lmcache(dashboard: Dashboard, node: str) -> None:
    browser = dashboard.browser
    dashboard.choose(node)
    dashboard.click_tab("config")
    assert '"chunk_size": 256,' in dashboard.shows("config", '"chunk_size": 256,')
    browser.type("//input[@id='configKeyInput']", "chunk_size")
    browser.click("//button[@id='getConfigBtn']")
    assert json.loads(browser.alert())["chunk_size"] == 256
    # It sends GET /conf?key=…&value=…, which LMCache's server ignores.
    browser.type("//input[@id='configValueInput']", "16")
    browser.click("//button[@id='setConfigBtn']")
    assert json.loads(browser.alert())["chunk_size"] == 256


def test_filter_finds_nodes_by_their_environment(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.browser.type("//input[@id='envFilterInput']", "FRONTEND_TEST_KIND=unix")
    dashboard.browser.click("//button[@id='filterNodesBtn']")
    assert dashboard.browser.alert().startswith(
        "Found 1 proxy(ies) with 2 matching node(s) for FRONTEND_TEST_KIND=unix"
    )


def test_aggregated_metrics_contain_all_nodes(dashboard: Dashboard) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", dashboard.port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        _, *parts = connection.getresponse().read().decode().split("# Metrics from node: ")
    finally:
        connection.close()
    assert [part.split(" ")[0] for part in parts] == NODES
    for part in parts:
        assert '\nlmcache:num_store_requests_total{model_name="test-model",' in part


def serve() -> None:
    from lmcache_internal.integrations.lmcache import install
    from lmcache_internal.testing.real_engine import make_scheduler, make_worker

    install()
    values: dict[str, Any] = {
        "internal_api_server_enabled": True,
        "internal_api_server_port_start": int(sys.argv[1]),
        "internal_api_server_socket_path_prefix": sys.argv[2] if len(sys.argv) > 2 else None,
    }
    engine_id = f"frontend-{os.getpid()}"  # The engines of the other kind run at the same time.
    # The references keep the servers from being garbage-collected and stopped.
    held = [make_worker(engine_id, **values), make_scheduler(engine_id, **values)]
    sys.stdin.read()
    del held
    os._exit(0)


if __name__ == "__main__":
    serve()
