"""How fast the dashboard paints, and how it looks in each width and color scheme, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.support import eventually
from tests.ui.support import MP_VIEWS, VIEWS, axe_findings, base, fill, open_view, press, scrolled, see, shown

BOUND_MS = 30_000
"""The goal is 1 s. Other jobs on the machine may take most of its CPU time."""
MOST_CHARACTERS = 130
"""The longest line of running text, on screens of any width."""
WIDTHS = {400: 800, 768: 1024, 1280: 900, 3840: 2160}
WATCH = """
new MutationObserver((_, observer) => {
    if (!document.querySelector('.badge')) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => (window.meaningful = performance.now())));
}).observe(document, { childList: true, subtree: true });
"""
"""Notes when the health is painted, in ms since the navigation."""
LONG_LINES = """
const canvas = document.createElement('canvas').getContext('2d');
return [...document.querySelectorAll('main p, main li, dialog p')].map((e) => {
    canvas.font = getComputedStyle(e).font;
    const range = document.createRange();
    range.selectNodeContents(e);
    const widest = Math.max(0, ...[...range.getClientRects()].map((line) => line.width));
    return [Math.round(widest / canvas.measureText('n').width), e.textContent.slice(0, 60)];
}).filter(([characters]) => characters > Number(arguments[0]))
"""
BROKEN_WORDS = """
const broken = [];
for (const cell of document.querySelectorAll('main .rows :is(th, td)')) {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) for (const { 0: word, index } of texts.currentNode.data.matchAll(/[\\p{L}\\d]+/gu)) {
        const range = document.createRange();
        range.setStart(texts.currentNode, index);
        range.setEnd(texts.currentNode, index + word.length);
        if (new Set([...range.getClientRects()].map(({ top }) => Math.round(top))).size > 1) broken.push(word);
    }
}
return broken;
"""
"""The words in tables that are on two lines; a hash has parts, which are words of their own."""
CUT_HINTS = """
const canvas = document.createElement('canvas').getContext('2d');
return [...document.querySelectorAll('main input')].filter((field) => {
    const { font, paddingLeft, paddingRight } = getComputedStyle(field);
    canvas.font = font;
    const space = field.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
    return canvas.measureText(field.placeholder).width > space;
}).map((field) => field.placeholder);
"""
"""The hints in fields that are wider than their field."""
GAP = """
const at = (part) => document.querySelector(`dialog ${part}`).getBoundingClientRect();
return at('.tools').top - at('input').bottom;
"""
"""The pixels between the field of a dialog and its buttons."""
WRAPPED = """
return [...document.querySelectorAll('main .rows .short')].filter((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    const tops = [...range.getClientRects()].map(({ top }) => top);
    return !cell.querySelector('p, button, meter') && Math.max(...tops) - Math.min(...tops) > 12;
}).map((cell) => cell.textContent);
"""
"""The short texts that are on two lines, although their table is wide."""


@pytest.fixture
def prefers(browser: Browser) -> Iterator[Browser]:
    """The browser; its width and color scheme are the usual ones afterwards."""
    yield browser
    browser.resize(1400, 1000)
    browser.prefer("light")


def test_the_health_is_painted_soon(browser: Browser, server: InternalAPIServer) -> None:
    script = browser.on_each_page(WATCH)
    try:
        open_view(browser, server)
        assert eventually(lambda: browser.run("return window.meaningful ?? null") is not None)
    finally:
        browser.no_longer_on_each_page(script)
    paint = "return performance.getEntriesByName('first-contentful-paint')[0].startTime"
    meaningful, first = browser.run("return window.meaningful"), browser.run(paint)
    print(f"first paint after {first:.0f} ms, with the health after {meaningful:.0f} ms")
    assert 0 < first <= meaningful < BOUND_MS


LOADED = """const names = (urls) => [...new Set(urls)].sort();
return [names([...document.querySelectorAll('link[rel=modulepreload], script')].map((e) => e.href ?? e.src)),
    names(performance.getEntriesByType('resource').map(({ name }) => name).filter((name) => name.endsWith('.js')))]"""


def test_the_page_names_all_modules_that_it_loads(browser: Browser, server: InternalAPIServer) -> None:
    """So none of them waits for the module that imports it. Over a slow line, each such wait is a round trip."""
    open_view(browser, server)
    named, loaded = browser.run(LOADED)
    assert named == loaded
    assert len(named) > 40


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_in_dark_mode(prefers: Browser, server: InternalAPIServer, view: str) -> None:
    prefers.prefer("dark")
    open_view(prefers, server, view)
    see(prefers, VIEWS[view])
    assert prefers.run("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert axe_findings(prefers) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_dialogs_and_results(prefers: Browser, server: InternalAPIServer, scheme: str) -> None:
    prefers.prefer(scheme)
    open_view(prefers, server, "cache")
    see(prefers, "chunks in memory")
    press(prefers, "Look up and explain")
    see(prefers, "tokens are cached")
    assert axe_findings(prefers) == []
    press(prefers, "Clear…")
    see(prefers, "This would remove:")
    assert axe_findings(prefers) == []
    assert prefers.run(GAP) >= 8


@pytest.mark.parametrize("view", VIEWS)
def test_each_width_needs_no_horizontal_scrolling_and_has_no_long_lines(
    prefers: Browser, server: InternalAPIServer, view: str
) -> None:
    open_view(prefers, server, view)
    see(prefers, VIEWS[view])
    assert_fits(prefers)


@pytest.mark.parametrize("view", MP_VIEWS)
def test_each_width_fits_the_views_of_an_mp_server(prefers: Browser, mp_server: InternalAPIServer, view: str) -> None:
    open_view(prefers, mp_server, view)
    see(prefers, MP_VIEWS[view])
    prefers.prefer("dark")
    assert axe_findings(prefers) == []
    assert_fits(prefers)


def assert_fits(browser: Browser) -> None:
    fits = "return document.documentElement.scrollWidth <= window.innerWidth"
    for width, height in WIDTHS.items():
        browser.resize(width, height)
        assert eventually(lambda: bool(browser.run(fits))), width
        assert browser.run(LONG_LINES, str(MOST_CHARACTERS)) == [], width
        assert browser.run(BROKEN_WORDS) == [], width
        assert browser.run(CUT_HINTS) == [], width
        assert scrolled(browser) == [], width
        assert width < 1280 or browser.run(WRAPPED) == [], width


def test_a_setting_is_edited_without_horizontal_scrolling(prefers: Browser, server: InternalAPIServer) -> None:
    """The name of the setting stays visible, also beside the reason why the server refuses a value."""
    prefers.resize(1280, 900)
    open_view(prefers, server, "configuration")
    prefers.click("//button[@aria-label='Edit pin_timeout_sec']")
    fill(prefers, "New value of pin_timeout_sec", "soon")
    press(prefers, "Check and apply")
    see(prefers, "expected int, got 'soon'")
    assert scrolled(prefers) == []


def test_the_policy_of_the_page_blocks_other_origins(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server)
    asked = "return fetch('http://127.0.0.1:9/').then(() => 'sent', (error) => error.name)"
    assert browser.run(asked) == "TypeError"
    assert any("Content Security Policy" in line for line in browser.console())
    assert not any(url.startswith("http://127.0.0.1:9/") for url in browser.requested() if base(server) not in url)
    assert "Live" in shown(browser)
