"""The page of a fleet in a real Chromium, through the command `ui`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.cli.conftest import Fleet, fleets_in
from tests.cli.log_servers import LogServer, log_server
from tests.cli.test_hostile import lying
from tests.security.support import serving, token_file
from tests.support import eventually
from tests.ui.fleet_support import gateway_process, many_ranks
from tests.ui.support import axe_findings, press, scrolled, see, shown
from tests.ui.test_dashboard import HTML
from tests.ui.test_gateway import create_server

RANKS = 200
GATEWAY_SECONDS = 1.0
"""The CPU time of a poll of 200 ranks in the gateway."""
BROWSER_SECONDS = 0.2
"""The time of the browser's main thread for a poll of 200 ranks."""
VIEWS = {
    "ranks": "4 worker 3",
    "charts": "Requested tokens, last 30 s",
    "configuration": "Check…",
    "loglevels": "root",
    "threads": "MainThread",
    "explain": "Look up and explain",
    "search": "Search",
}


@pytest.fixture(scope="module")
def base(ranks: Fleet, browser: Browser) -> Iterator[str]:
    with opened(browser, "--config", str(ranks.config)) as base:
        yield base


@contextmanager
def opened(browser: Browser, *arguments: str, **environ: str) -> Iterator[str]:
    """The address of a gateway where the browser has logged in."""
    with gateway_process(*arguments, **environ) as (_, link):
        browser.open(link)
        assert eventually(lambda: "Live" in shown(browser)), shown(browser)
        yield link.partition("/login")[0]


def open_view(browser: Browser, base: str, view: str) -> None:
    browser.open("about:blank")
    browser.console(), browser.requested()
    browser.open(f"{base}/#{view}")
    assert eventually(lambda: "Live" in shown(browser)), shown(browser)


@pytest.mark.parametrize(("view", "text"), VIEWS.items())
def test_each_view_shows_its_data_without_errors_for_axe_and_without_scrolling(
    browser: Browser, base: str, view: str, text: str
) -> None:
    open_view(browser, base, view)
    see(browser, text)
    assert browser.console() == []
    assert {url for url in browser.requested() if not url.startswith(base)} == set()
    assert axe_findings(browser) == []
    try:
        for width in (400, 1280):
            browser.resize(width, 800)
            assert eventually(lambda: scrolled(browser) == []), (width, scrolled(browser))
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
    assert eventually(lambda: bool(browser.run(ROW, "2", "frozen")))
    ranks.run("freeze", "off", "--all")
    assert browser.console() == []


ROW = """return [...document.querySelectorAll('.wall tr')].some((row) =>
  row.innerText.includes(`${arguments[0]} `) && row.innerText.includes(arguments[1]))"""


def test_chosen_ranks_are_changed_in_one_transaction(browser: Browser, base: str, ranks: Fleet) -> None:
    open_view(browser, base, "ranks")
    for rank in (1, 3):
        browser.click(f"//input[@aria-label='Choose {rank} worker {rank - 1}']")
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


def test_a_level_is_set_after_all_ranks_have_accepted_it(browser: Browser) -> None:
    servers = [LogServer({"a.b": "ERROR"}), LogServer({}), LogServer({}, fails=500)]
    with ExitStack() as stack:
        urls = [stack.enter_context(log_server(server)) for server in servers]
        with opened(browser, *(option for url in urls for option in ("--url", url))):
            browser.run("location.hash = 'loglevels'")
            browser.type("//label[contains(., 'Logger')]/input", "a.b")
            press(browser, "Set…")
            see(browser, f"a.b: ERROR → DEBUG on 0 {urls[0]}")
            see(browser, "a.b: NOTSET → DEBUG on ranks 1-2")
            see(browser, "All 3 ranks accept the change")
            assert [server.levels for server in servers] == [{"a.b": "ERROR"}, {}, {}]
            press(browser, "Apply")
            see(browser, "Applied to ranks 0-1.")
            see(browser, f"Not applied: 2 {urls[2]}: HTTP 500: Broken")
            see(browser, f"lmcache-internal loglevel a.b ERROR --url {urls[0]}")
            press(browser, "Close")


def test_ranks_are_filtered_sorted_and_grouped(browser: Browser, base: str) -> None:
    open_view(browser, base, "ranks")
    see(browser, "4 worker 3")
    names = "return [...document.querySelectorAll('.wall tbody a')].map((link) => link.textContent)"
    browser.click("//th/button[.='Rank']")
    assert eventually(lambda: browser.run(names)[:1] == ["4 worker 3"])
    browser.type("//input[@aria-label='Filter ranks']", "worker 1")
    assert eventually(lambda: browser.run(names) == ["2 worker 1"])
    browser.run("""const by = document.querySelector('select[aria-label="Group by"]');
        by.value = 'model'; by.dispatchEvent(new Event('change'))""")
    group = "return document.querySelector('.wall tbody th')?.textContent ?? ''"
    assert eventually(lambda: browser.run(group).endswith("(1)"))


def test_a_rank_that_goes_down_and_comes_back_has_its_reason(browser: Browser, tmp_path: Path) -> None:
    with fleets_in(tmp_path) as start:
        fleet = start(without=(4,))
        manager = fleet.managers[3]
        with opened(browser, "--config", str(fleet.config)):
            see(browser, "cannot connect")
            see(browser, "4 ok, 1 down")
            server = late_server(fleet)
            with server:
                assert eventually(lambda: "5 ok" in shown(browser)), shown(browser)
            assert eventually(lambda: "4 ok, 1 down" in shown(browser))
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


BUTTONS = {"configuration": "Check…", "loglevels": "Set…"}


def refusals(browser: Browser) -> dict[str, str]:
    """Why the button of each view is disabled; "" where it is not."""
    found = {}
    for view, label in BUTTONS.items():
        browser.run("location.hash = arguments[0]", view)
        see(browser, label)
        found[view] = str(browser.run("return document.querySelector('main .needed').textContent"))
        assert browser.run("return document.querySelector('main form .primary').disabled") is bool(found[view])
    return found


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        ("viewer", ["needs role admin; 1 of 1 rank grants viewer", "needs role operator; 1 of 1 rank grants viewer"]),
        ("operator", ["needs role admin; 1 of 1 rank grants operator", ""]),
        ("admin", ["", ""]),
    ],
)
def test_a_change_that_the_role_does_not_allow_is_disabled_with_the_reason(
    browser: Browser, tmp_path: Path, role: str, expected: list[str]
) -> None:
    path, tokens = token_file(tmp_path, someone=role)
    with (
        serving(tmp_path, extra={"tokens_file": str(path), "trust_loopback": False}) as server,
        opened(browser, "--url", f"127.0.0.1:{server.port}", LMCACHE_INTERNAL_TOKEN=tokens["someone"]),
    ):
        see(browser, f"role {role}")
        assert list(refusals(browser).values()) == expected
        assert tokens["someone"] not in browser.run("return document.documentElement.outerHTML")


def test_only_the_roles_at_the_chosen_ranks_count(browser: Browser, tmp_path: Path, ranks: Fleet) -> None:
    path, tokens = token_file(tmp_path, someone="viewer")
    with serving(tmp_path, extra={"tokens_file": str(path), "trust_loopback": False}) as server:
        urls = ["--url", ranks.url(1), "--url", f"127.0.0.1:{server.port}"]
        with opened(browser, *urls, LMCACHE_INTERNAL_TOKEN=tokens["someone"]):
            see(browser, "role admin, viewer")
            assert refusals(browser)["configuration"] == "needs role admin; 1 of 2 ranks grants viewer"
            browser.run("location.hash = 'ranks'")
            browser.click("//input[starts-with(@aria-label, 'Choose 0 ')]")
            assert list(refusals(browser).values()) == ["", ""]


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_the_link_to_a_page_of_a_plugin_says_where_it_opens(browser: Browser, tmp_path: Path, kind: str) -> None:
    (tmp_path / "board_api.py").write_text(BOARD)
    with serving(tmp_path, kind, extra={"plugin_dirs": [str(tmp_path)]}) as server:
        given = ["--socket", server.socket_path] if kind == "unix" else ["--url", f"127.0.0.1:{server.port}"]
        with gateway_process(*given) as (_, link):
            browser.open(link)
            assert eventually(lambda: "Live" in shown(browser)), shown(browser)
            browser.open(f"{link.partition('/login')[0]}/rank/1/ui")
            if kind == "unix":
                see(browser, f"Board (only at {server.socket_path})")
            else:
                see(browser, f"Board (opens at http://127.0.0.1:{server.port})")
                browser.click("//nav//a[contains(., 'Board')]")
                see(browser, "the board")


BOARD = """
from flask import Blueprint

from lmcache_internal.api import Page

router = Blueprint("board", __name__)
page = Page("Board", "/board")


@router.get("/board")
def board():
    return "the board"
"""


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
        assert eventually(lambda: f"{RANKS} ok" in shown(browser)), shown(browser)[:500]
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
    """Wait for some polls of the page, as the browser records them; a script would cost the main thread time."""
    browser.requested()
    deadline = time.monotonic() + 300
    while count > 0:
        assert time.monotonic() < deadline
        time.sleep(0.5)
        count -= sum(url.endswith("/fleet/poll") for url in browser.requested())


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
