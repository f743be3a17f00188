"""The frame of the page of a rank: what it shows of errors, of late responses, and of values in a chart."""

from __future__ import annotations

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.support import eventually
from tests.ui.support import key, open_view, see, shown

WATCH = """
const problem = document.querySelector('p.error');
window.problems = [];
new MutationObserver(() => window.problems.push(problem.textContent)).observe(problem, { childList: true });
const send = window.fetch;
window.sent = [];
window.held = null;
window.fetch = (url, options) => {
    window.sent.push(url);
    if (url !== window.hold) return send(url, options);
    const response = send(url, options);
    return new Promise((resolve, reject) => (window.held = { pass: () => resolve(response), reject }));
};
"""
"""Record what the page shows as its problem and what it asks for; hold back the responses to `window.hold`."""


def hold(browser: Browser, path: str) -> None:
    browser.run(WATCH + "window.hold = arguments[0]", path)


def is_held(browser: Browser) -> bool:
    return bool(browser.run("return window.held !== null"))


def wait_for_requests(browser: Browser, path: str, count: int) -> None:
    browser.run("window.sent = []")
    sent = "return window.sent.filter((url) => url === arguments[0]).length"
    assert eventually(lambda: browser.run(sent, path) >= count)


def open_and_hold_environment(browser: Browser, server: InternalAPIServer) -> None:
    """Open the metadata, then the environment, whose response is held back."""
    open_view(browser, server, "metadata")
    see(browser, "model_name")
    hold(browser, "/env")
    browser.run("location.hash = 'environment'")
    assert eventually(lambda: is_held(browser))


def test_a_late_error_of_another_view_is_not_shown(browser: Browser, server: InternalAPIServer) -> None:
    open_and_hold_environment(browser, server)
    browser.run("location.hash = 'metadata'")
    see(browser, "model_name")
    browser.run("window.held.reject(new TypeError('late'))")
    wait_for_requests(browser, "/ui/session", 2)
    assert browser.run("return window.problems") == []


def test_a_view_that_could_not_be_read_is_read_again(browser: Browser, server: InternalAPIServer) -> None:
    open_and_hold_environment(browser, server)
    browser.run("window.hold = ''; window.held.reject(new TypeError('failed'))")
    see(browser, "PATH")
    assert eventually(lambda: browser.run("return window.problems.at(-1)") == "")
    assert "cannot be reached" in browser.run("return window.problems[0]")


def test_a_late_response_of_another_view_does_not_count_for_a_view_that_could_not_be_read(
    browser: Browser, server: InternalAPIServer
) -> None:
    open_and_hold_environment(browser, server)
    browser.run("window.environment = window.held; window.held = null; window.hold = '/meta'")
    browser.run("location.hash = 'metadata'")
    assert eventually(lambda: is_held(browser))
    # The page has handled the response of the environment before that of the metadata fails.
    browser.run("window.environment.pass(); return new Promise((done) => setTimeout(done, 500)).then(() => null)")
    browser.run("window.hold = ''; window.sent = []; window.held.reject(new TypeError('failed'))")
    assert eventually(lambda: browser.run("return window.sent.includes('/meta')"))


def test_a_late_response_never_replaces_a_newer_one(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "Not frozen.")
    hold(browser, "/freeze/status")
    assert eventually(lambda: is_held(browser))
    browser.run("""window.states = [];
        const modes = document.querySelector('main .tools');
        new MutationObserver(() => window.states.push(modes.textContent.startsWith('Frozen')))
            .observe(modes, { childList: true });
        return window.fetch('/freeze/enable', { method: 'PUT' }).then(() => null);""")
    # A change reads the view again, while the response to an earlier poll is late.
    browser.run("window.hold = ''; dispatchEvent(new Event('hashchange'))")
    eventually(lambda: "Frozen: nothing is stored." in shown(browser), 2)  # So long, a page without turns needs.
    browser.run("window.held.pass()")
    see(browser, "Frozen: nothing is stored.")
    wait_for_requests(browser, "/freeze/status", 2)
    states = browser.run("return window.states")
    assert states == sorted(states), "the state went back"


def test_an_alert_is_announced_once(browser: Browser, server: InternalAPIServer) -> None:
    """What is written into an alert is announced, also the same text."""
    open_view(browser, server, "metadata")
    browser.run(WATCH)
    server.stop(0)
    try:
        see(browser, "cannot be reached")
        wait_for_requests(browser, "/ui/session", 2)
        assert len(browser.run("return window.problems")) == 1
        assert browser.run("return document.querySelector('.status').getAttribute('role')") == "timer"
    finally:
        server.start()


def test_data_becomes_old_also_after_the_clock_was_set_back(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "metadata")
    browser.run("const now = Date.now; Date.now = () => now() - 3600_000")
    server.stop(0)
    try:
        assert eventually(lambda: "Data is " in shown(browser), 30), shown(browser)
    finally:
        server.start()


@pytest.mark.parametrize("name", ["Home", "ArrowLeft"])
def test_the_cursor_of_a_chart_stays_at_its_value(browser: Browser, server: InternalAPIServer, name: str) -> None:
    open_view(browser, server)
    points = "return document.querySelectorAll('.chart:first-child tbody tr').length"
    browser.run("document.querySelector('.chart details').open = true")
    assert eventually(lambda: browser.run(points) >= 3)
    browser.run("document.querySelector('.plot').focus()")
    key(browser, name)
    when = "return document.querySelector('.readout .when').textContent"
    before, count = browser.run(when), browser.run(points)
    assert before != "now"
    assert eventually(lambda: browser.run(points) >= count + 2)
    assert browser.run(when) == before
    key(browser, "Escape")
    assert browser.run(when) == "now"
    assert browser.console() == []
