"""The page of a fleet in a real Chromium, through the command `ui`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser, open_browser
from tests.cli.conftest import Fleet, fleets_in
from tests.cli.test_hostile import lying
from tests.security.support import serving, token_file
from tests.support import eventually
from tests.ui.fleet_support import gateway_process, many_ranks
from tests.ui.support import AXE, press, see
from tests.ui.test_dashboard import HTML
from tests.ui.test_gateway import create_server

RANKS = 200
GATEWAY_SECONDS = 1.0
"""The CPU time of a poll of 200 ranks in the gateway."""
BROWSER_SECONDS = 0.2
"""The time of the browser's main thread for a poll of 200 ranks."""
VIEWS = {
    "ranks": "4 worker 3",
    "charts": "Requested tokens",
    "configuration": "Check…",
    "loglevels": "root",
    "threads": "MainThread",
    "search": "Search",
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with open_browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleets_in(tmp_path_factory.mktemp("ranks")) as start:
        yield start()


@pytest.fixture(scope="module")
def base(ranks: Fleet, browser: Browser) -> Iterator[str]:
    with opened(browser, "--config", str(ranks.config)) as base:
        yield base


def shown(browser: Browser) -> str:
    return str(browser.run("return document.body ? document.body.innerText : ''"))


@contextmanager
def opened(browser: Browser, *arguments: str, **environ: str) -> Iterator[str]:
    """The address of a gateway where the browser has logged in."""
    with gateway_process(*arguments, **environ) as (_, link):
        browser.open(link)
        assert eventually(lambda: "Live" in shown(browser), 15), shown(browser)
        yield link.partition("/login")[0]


def open_view(browser: Browser, base: str, view: str) -> None:
    browser.open("about:blank")
    browser.console(), browser.requested()
    browser.open(f"{base}/#{view}")
    assert eventually(lambda: "Live" in shown(browser), 15), shown(browser)


@pytest.mark.parametrize(("view", "text"), VIEWS.items())
def test_each_view_shows_its_data_without_errors_for_axe_and_at_400_pixels(
    browser: Browser, base: str, view: str, text: str
) -> None:
    open_view(browser, base, view)
    see(browser, text)
    assert browser.console() == []
    assert {url for url in browser.requested() if not url.startswith(base)} == set()
    browser.run(AXE.read_text())
    browser.run("window.axeResult = null; axe.run().then((found) => { window.axeResult = found.violations; })")
    assert eventually(lambda: browser.run("return window.axeResult") is not None, 15)
    found: list[dict[str, Any]] = browser.run("return window.axeResult")
    assert [(rule["id"], rule["nodes"][0]["html"]) for rule in found] == []
    browser.resize(400, 800)
    try:
        assert eventually(lambda: bool(browser.run("return document.documentElement.scrollWidth <= window.innerWidth")))
    finally:
        browser.resize(1400, 1000)


def test_a_rank_opens_its_own_page_and_its_commands_name_the_rank(browser: Browser, base: str, ranks: Fleet) -> None:
    open_view(browser, base, "ranks")
    browser.click("//a[.='2 worker 1']")
    see(browser, "← Fleet")
    see(browser, "Healthy")
    browser.run("location.hash = 'backends'")
    press(browser, "Freeze")
    see(browser, f"curl -X PUT '{ranks.url(2)}/freeze/enable'")
    see(browser, f"freeze on --url {ranks.url(2)}")
    press(browser, "Apply")
    see(browser, "Frozen: nothing is stored.")
    browser.click("//a[.='← Fleet']")
    assert eventually(lambda: bool(browser.run(ROW, "2", "frozen")), 10)
    ranks.run("freeze", "off", "--all")
    assert browser.console() == []


ROW = """return [...document.querySelectorAll('.wall tr')].some((row) =>
  row.innerText.includes(`${arguments[0]} `) && row.innerText.includes(arguments[1]))"""


def test_chosen_ranks_are_changed_in_one_transaction(browser: Browser, base: str, ranks: Fleet) -> None:
    open_view(browser, base, "ranks")
    for rank in (1, 3):
        browser.click(f"//input[@aria-label='Choose rank {rank}']")
    see(browser, "Changes apply to 2 chosen ranks (1,3).")
    browser.run("location.hash = 'configuration'")
    browser.type("//label[contains(., 'Setting')]/input", "pin_timeout_sec")
    browser.type("//label[contains(., 'Value')]/input", "77")
    press(browser, "Check…")
    see(browser, "pin_timeout_sec: 300 → 77 on ranks 1,3")
    see(browser, "conf set pin_timeout_sec=77")
    press(browser, "Apply")
    see(browser, "Applied to ranks 1,3.")
    see(browser, "conf rollback --to")
    press(browser, "Close")
    assert [ranks.managers[index].config.pin_timeout_sec for index in range(5)] == [300, 77, 300, 77, 300]
    assert eventually(lambda: "0,2,4" in shown(browser))
    browser.run("location.hash = 'search'")
    browser.type("//input[@aria-label='Search the fleet']", "pin_timeout")
    browser.click("//main//button[.='Search']")
    see(browser, "on ranks 1,3")
    assert browser.console() == []


def test_ranks_are_filtered_sorted_and_grouped(browser: Browser, base: str) -> None:
    open_view(browser, base, "ranks")
    see(browser, "4 worker 3")
    names = "return [...document.querySelectorAll('.wall tbody a')].map((link) => link.textContent)"
    browser.click("//th/button[.='Rank']")
    assert browser.run(names)[0] == "4 worker 3"
    browser.type("//input[@aria-label='Filter ranks']", "worker 1")
    assert browser.run(names) == ["2 worker 1"]
    browser.run("""const by = document.querySelector('select[aria-label="Group by"]');
        by.value = 'model'; by.dispatchEvent(new Event('change'))""")
    assert browser.run("return document.querySelector('.wall tbody th').textContent").endswith("(1)")


def test_a_rank_that_goes_down_and_comes_back_has_its_reason(browser: Browser, tmp_path: Path) -> None:
    with fleets_in(tmp_path) as start:
        fleet = start(without=(4,))
        manager = fleet.managers[3]
        with opened(browser, "--config", str(fleet.config)):
            see(browser, "cannot connect")
            see(browser, "4 ok, 1 down")
            server = late_server(fleet)
            with server:
                assert eventually(lambda: "5 ok" in shown(browser), 15), shown(browser)
            assert eventually(lambda: "4 ok, 1 down" in shown(browser), 15)
            assert manager is not None


def late_server(fleet: Fleet) -> InternalAPIServer:
    from tests.support import make_manager

    return InternalAPIServer(make_manager("worker", worker_id=3, **fleet.values))


def test_html_in_names_is_shown_as_text(browser: Browser) -> None:
    def forge(reply: tuple[int, bytes], path: str) -> tuple[int, bytes]:
        return (200, b'"' + HTML.replace('"', "'").encode() + b'"') if path == "/lmc_version" else reply

    with create_server() as app, lying(app, forge) as url, opened(browser, "--url", url):
        see(browser, "<img src=")
        assert browser.run("return document.querySelectorAll('img').length") == 0


def test_a_viewer_sees_that_a_change_is_refused(browser: Browser, tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, viewer="viewer")
    with (
        serving(tmp_path, extra={"tokens_file": str(path), "trust_loopback": False}) as server,
        opened(browser, "--url", f"127.0.0.1:{server.port}", LMCACHE_INTERNAL_TOKEN=tokens["viewer"]),
    ):
        see(browser, "role viewer")
        browser.run("location.hash = 'configuration'")
        browser.type("//label[contains(., 'Setting')]/input", "pin_timeout_sec")
        browser.type("//label[contains(., 'Value')]/input", "77")
        press(browser, "Check…")
        see(browser, "Requires role")
        assert browser.run("return [...document.querySelectorAll('dialog .primary')].every((b) => b.disabled)")
        assert tokens["viewer"] not in browser.run("return document.documentElement.outerHTML")


def test_a_page_without_a_session_says_what_to_do(browser: Browser) -> None:
    with gateway_process("--url", "http://127.0.0.1:1") as (_, link):
        browser.open(link.partition("/login")[0])
        see(browser, "Open the login link")


def test_200_ranks_cost_little(browser: Browser, tmp_path: Path) -> None:
    polls = 5
    with (
        many_ranks(tmp_path, RANKS) as targets,
        gateway_process("--targets", str(targets)) as (process, link),
    ):
        browser.open(link)
        assert eventually(lambda: f"{RANKS} ok" in shown(browser), 30), shown(browser)[:500]
        for view in ("ranks", "charts"):
            browser.run("location.hash = arguments[0]", view)
            if view == "charts":
                browser.click("//label[contains(., 'A line for each rank')]/input")
            time.sleep(2)
            wait_for_polls(browser, 1)
            cpu, main_thread = cpu_seconds(process.pid), browser.main_thread_seconds()
            wait_for_polls(browser, polls)
            gateway = (cpu_seconds(process.pid) - cpu) / polls
            page = (browser.main_thread_seconds() - main_thread) / polls
            print(f"{view}: {gateway:.3f} s of CPU in the gateway, {page:.3f} s of the main thread, for each poll")
            assert gateway < GATEWAY_SECONDS
            assert page < BROWSER_SECONDS


def wait_for_polls(browser: Browser, count: int) -> None:
    seen = "return performance.getEntriesByName('poll', 'measure').length"
    wanted = browser.run(seen) + count
    deadline = time.monotonic() + 60
    while browser.run(seen) < wanted:
        assert time.monotonic() < deadline
        time.sleep(1)  # Each question costs the main thread time, too.


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
