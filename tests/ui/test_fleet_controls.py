"""The controls of the page of a fleet, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from lmcache_internal import InternalAPIServer
from lmcache_internal.cli.sources import Source
from lmcache_internal.cli.ui.state import Gateway
from tests.browser import Browser
from tests.cli.conftest import Fleet, fleets_in
from tests.support import eventually, free_port
from tests.ui.fleet_support import searching, served
from tests.ui.support import fill, open_view, press, see, shown
from tests.ui.test_appearance import LOADED
from tests.ui.test_fleet_search import write


@contextmanager
def opened(browser: Browser, source: Source, view: str = "ranks", shows: str = "5 ok") -> Iterator[Gateway]:
    """The page of a fleet with a view: the login page leads to it by itself, and shows the first poll."""
    gateway, _ = searching(source)
    with served(gateway) as link:
        browser.open(link)
        see(browser, shows)
        browser.run("location.hash = arguments[0]", view)
        yield gateway


def focused(browser: Browser) -> str:
    return str(browser.run("return document.activeElement.textContent"))


def test_the_lines_of_the_ranks_are_hidden_and_shown_by_one_click(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config), "charts"):
        see(browser, "4 worker 3")
        for _ in range(2):
            browser.click("//label[contains(., 'A line for each rank')]/input")
            assert eventually(lambda: "4 worker 3" not in shown(browser))
            browser.click("//label[contains(., 'A line for each rank')]/input")
            see(browser, "4 worker 3")


LONG_ENTRIES = """const entries = [...document.querySelectorAll('.readout .entry')];
for (const entry of entries) entry.querySelector('b').textContent = '1000 MiB';
return [entries.length, entries.filter((entry) => entry.scrollWidth > entry.clientWidth + 1).length];"""
"""How many entries the legends have, and how many of them are wider than their place, with the longest values."""


def test_the_values_of_a_legend_do_not_overlap(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config), "charts"):
        see(browser, "4 worker 3")
        try:
            for width in (400, 1280, 2560):
                browser.resize(width, 900)
                assert browser.run(LONG_ENTRIES) == [4 * 6, 0], width
        finally:
            browser.resize(1400, 1000)


CURRENT_IS_VISIBLE = """const all = document.querySelector('nav').getBoundingClientRect();
const current = document.querySelector('nav [aria-current]').getBoundingClientRect();
return current.left >= all.left + 4 && current.right <= all.right - 4; // Not cut at an edge, and not at it."""


def test_a_narrow_window_shows_the_link_of_the_current_view(
    browser: Browser, ranks: Fleet, server: InternalAPIServer
) -> None:
    browser.resize(400, 900)
    try:
        with opened(browser, Source(config=ranks.config), "threads"):
            assert eventually(lambda: "Threads" in browser.run("return document.title"))
            assert browser.run(CURRENT_IS_VISIBLE)
        open_view(browser, server, "requests")
        assert browser.run(CURRENT_IS_VISIBLE)
    finally:
        browser.resize(1400, 1000)


def test_a_search_names_what_was_not_searched(browser: Browser, tmp_path: Path) -> None:
    with fleets_in(tmp_path) as start:
        source = Source(config=start(without=(4,)).config)
        with opened(browser, source, "search", shows="4 ok, 1 down") as gateway:
            browser.type("//input[@aria-label='Search the fleet']", "pin_timeout")
            press(browser, "Search")
            see(browser, "on ranks 0-3")
            see(browser, "Not searched: 4 worker 3: cannot connect")
            with gateway.job(), gateway.job():
                press(browser, "Search")
                see(browser, "Not searched: 503: 2 requests to the fleet are in progress; try again")
            press(browser, "Search")
            see(browser, "on ranks 0-3")


def test_a_failed_refresh_is_shown(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config), "threads") as gateway:
        see(browser, "MainThread")
        with gateway.job(), gateway.job():
            press(browser, "Refresh")
            see(browser, "503: 2 requests to the fleet are in progress; try again")
        press(browser, "Refresh")
        assert eventually(lambda: "503" not in shown(browser))


NAMES = """const names = [...document.querySelectorAll('main tbody th')].map((name) => name.textContent);
return [names, [...names].sort((a, b) => a.localeCompare(b))];"""


def test_a_change_that_fails_can_be_tried_again_and_the_focus_stays(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config), "loglevels") as gateway:
        browser.type("//label[contains(., 'Logger')]/input", "lmcache.controls")
        browser.type("//label[contains(., 'For')]/input", "10m")
        press(browser, "Set…")
        see(browser, "Set lmcache.controls to DEBUG for 10m on all 5 ranks")
        see(browser, "All 5 ranks accept the change")
        with gateway.job(), gateway.job():
            press(browser, "Apply")
            see(browser, "503: 2 requests to the fleet are in progress; try again")
            assert eventually(lambda: focused(browser) == "Apply"), focused(browser)
        press(browser, "Apply")
        see(browser, "Applied to ranks 0-4.")
        assert eventually(lambda: focused(browser) == "Close"), focused(browser)
        press(browser, "Close")
        assert eventually(lambda: focused(browser) == "Set…"), focused(browser)
        names, in_order = browser.run(NAMES)
        assert len(names) > 1
        assert names == in_order


def is_first(browser: Browser, name: str) -> bool:
    return bool(browser.run("return document.querySelector('.wall tbody th').textContent") == name)


def test_a_poll_that_sorts_the_ranks_keeps_the_focus_at_its_rank(browser: Browser, tmp_path: Path) -> None:
    with fleets_in(tmp_path) as start:
        fleet = start()
        with opened(browser, Source(config=fleet.config)):
            press(browser, "Mode")
            for name in ("3 worker 2", "1 worker 0"):
                browser.run("document.querySelector(`[aria-label='Choose ${arguments[0]}']`).focus()", name)
                assert fleet.run("freeze", "on", "--index", name[0]).exit_code == 0
                assert eventually(partial(is_first, browser, name))
                assert browser.run("return document.activeElement.getAttribute('aria-label')") == f"Choose {name}"


def is_collected(browser: Browser) -> bool:
    browser.collect()
    return bool(browser.run("return window.left.deref() === undefined"))


def test_ranks_that_have_left_cost_no_memory(browser: Browser, tmp_path: Path, ranks: Fleet) -> None:
    path = tmp_path / "targets.yaml"
    write(path, ranks, 1, 2)
    with opened(browser, Source(listed=str(path)), shows="2 ok") as gateway:
        browser.run("window.left = new WeakRef(document.querySelector('.wall tbody tr'))")
        write(path, ranks, 2)
        gateway.search.once()
        assert eventually(lambda: "1 worker 0" not in shown(browser))
        assert eventually(lambda: is_collected(browser))


def test_a_page_that_is_open_for_days_keeps_no_marks(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config)):
        marks = "return [...performance.getEntriesByType('mark'), ...performance.getEntriesByType('measure')].length"
        assert browser.run(marks) == 0


def test_a_prompt_is_explained_on_chosen_ranks(browser: Browser, ranks: Fleet) -> None:
    assert ranks.run("cache", "store", "--tokens", "0:64", "--index", "2").exit_code == 0
    with opened(browser, Source(config=ranks.config)):
        for rank in (1, 2):
            browser.click(f"//input[@aria-label='Choose {rank} worker {rank - 1}']")
        browser.run("location.hash = 'explain'")
        see(browser, "2 chosen ranks (1-2)")
        fill(browser, "Tokens", "0,64")
        press(browser, "Look up and explain")
        see(browser, "64 of 64 tokens are cached")
        assert (
            browser.run("return document.querySelectorAll('main td:empty').length") == 1
        )  # Has no label if it is narrow.
        fill(browser, "Tokens", "0,128")
        press(browser, "Look up and explain")
        see(browser, "64 of 128 tokens are cached")
        see(browser, "0 of 128 tokens are cached")
        see(browser, "(not-cached)")
        assert browser.run("return document.querySelectorAll('main tbody tr').length") == 2
        fill(browser, "Tokens", "nothing")
        press(browser, "Look up and explain")
        see(browser, "Not explained: ranks 1-2:")
        browser.click("//nav//a[.='Ranks']")


def test_the_page_names_all_modules_that_it_loads(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config)):
        named, loaded = browser.run(LOADED)
        assert named == loaded
        assert len(named) > 25


HOLD = """const send = window.fetch;
window.held = [];
window.fetch = async (...request) => {
    if (request[0] === '/fleet/loglevel/check') await new Promise((go) => window.held.push(go));
    return send(...request);
};"""
"""Lets the requests that check a level wait until the functions in `held` are called."""
POLLS = "return performance.getEntriesByName(new URL('/fleet/poll', location).href).length"


def test_a_change_that_is_being_checked_says_so_and_is_asked_for_once(browser: Browser, ranks: Fleet) -> None:
    with opened(browser, Source(config=ranks.config), "loglevels"):
        browser.type("//label[contains(., 'Logger')]/input", "lmcache.checked")
        browser.run(HOLD)
        press(browser, "Set…")
        before = browser.run(POLLS)
        assert eventually(lambda: browser.run(POLLS) > before + 1)
        see(browser, "Asking the ranks…")
        press(browser, "Set…")
        assert browser.run("window.held.forEach((go) => go()); return window.held.length") == 1
        see(browser, "All 5 ranks accept the change")
        press(browser, "Cancel")
        assert eventually(lambda: focused(browser) == "Set…"), focused(browser)
        assert "Asking the ranks…" not in shown(browser)


def test_settings_that_were_not_read_are_not_called_equal(browser: Browser, tmp_path: Path) -> None:
    nobody = Source(urls=[f"http://127.0.0.1:{free_port()}"])
    with opened(browser, nobody, "configuration", shows="1 down"):
        see(browser, "No rank has sent its settings.")
        assert "equal on all ranks." not in shown(browser)
    with fleets_in(tmp_path) as start:
        source = Source(config=start(without=(4,)).config)
        with opened(browser, source, "configuration", shows="4 ok, 1 down"):
            see(browser, "All settings are equal on the ranks that sent them.")


WIDE = """const put = (label, text) => document.querySelectorAll(`.wall [data-label=${label}]`)
    .forEach((cell) => (cell.textContent = text));
put('Uptime', '24\u00a0min\u00a033\u00a0s');
put('Usage', '526\u00a0MiB (99.5\u00a0%)');
const region = document.querySelector('main .scroll');
const names = [...document.querySelectorAll('.wall tbody a')].map((name) => name.getClientRects().length);
return [region.scrollWidth - region.clientWidth, ...names];"""
"""With the longest values: how much of the table has to be scrolled to, and in how many lines each name is."""


def test_the_wall_fits_a_usual_window_with_long_values_and_each_name_is_one_line(
    browser: Browser, ranks: Fleet
) -> None:
    browser.resize(1280, 900)
    try:
        with opened(browser, Source(config=ranks.config)):
            assert browser.run(WIDE) == [0, 1, 1, 1, 1, 1]
    finally:
        browser.resize(1400, 1000)
