"""The dashboard with the keyboard alone, in a real Chromium."""

from __future__ import annotations

import logging
from itertools import groupby
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.support import eventually
from tests.ui.support import MP_VIEWS, VIEWS, manager_of, open_view, see, see_dialog, shown

RECORD = """
const name = (e) => [e.tagName, e.type ?? '', e.getAttribute('aria-label') ?? e.textContent.slice(0, 60)].join(' ');
const focusable = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
const controls = [...document.querySelectorAll(focusable)].filter((e) => !e.disabled && e.checkVisibility());
window.walk = { reached: [], hidden: [], controls: controls.map(name) };
document.addEventListener('focusin', ({ target }) => {
    const style = getComputedStyle(target);
    const box = target.getBoundingClientRect();
    const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
    const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    if (!inside || !outlined || !target.matches(':focus-visible')) window.walk.hidden.push(name(target));
    window.walk.reached.push(name(target));
});
"""
"""Records what gets the focus, and what of it a user would not see."""


def walk(browser: Browser) -> dict[str, Any]:
    """Press Tab until the last control has the focus, then Shift+Tab until the first one has it.

    No key leads out of the page. Chromium would give the focus to its own window there, which gives it back: to the
    first or last control, and a second time after the next keys, if it is slow.
    """
    browser.run(RECORD)
    number = len(browser.run("return window.walk.controls"))
    browser.press(*["Tab"] * number, *["Shift+Tab"] * (number - 1))
    found: dict[str, Any] = browser.run("return window.walk")
    return found


def assert_all_reached(browser: Browser) -> None:
    found = walk(browser)
    controls = found["controls"]
    reached = [name for name, _ in groupby(found["reached"])]  # A poll may give the focus to the same control again.
    assert reached == [name for name, _ in groupby([*controls, *controls[-2::-1]])]
    assert found["hidden"] == []


def focused(browser: Browser) -> str:
    label = "const e = document.activeElement; return e.getAttribute('aria-label') ?? e.textContent.trim().slice(0, 60)"
    return str(browser.run(label))


def assert_focused(browser: Browser, label: str) -> None:
    assert eventually(lambda: focused(browser) == label), focused(browser)


def assert_focus_in_view(browser: Browser) -> None:
    inside = "return document.querySelector('main').contains(document.activeElement)"
    assert eventually(lambda: bool(browser.run(inside))), focused(browser)


TURN = """const focusable = 'a[href], button, input, select, textarea, summary, [tabindex="0"]';
const all = [...(document.querySelector('dialog[open]') ?? document).querySelectorAll(focusable)]
    .filter((e) => !e.disabled && e.checkVisibility());
const [end, start] = arguments[0] === 'Tab' ? [all.at(-1), all[0]] : [all[0], all.at(-1)];
if (document.activeElement !== end) return false;
start.focus();
return true;"""
"""Goes on at the other end of the page or of the dialog, as Chromium does, but at once: see `walk`."""


def tab_to(browser: Browser, label: str, key: str = "Tab") -> None:
    """Press a key until a control has the focus."""
    for _ in range(400):
        if focused(browser) == label:
            return
        if not browser.run(TURN, key):
            browser.press(key)
    raise AssertionError(f"{label} is not reached")


@pytest.mark.parametrize("view", VIEWS)
def test_each_control_is_reached_and_its_focus_is_visible(
    browser: Browser, server: InternalAPIServer, view: str
) -> None:
    logging.getLogger("lmcache.demo").setLevel("INFO")
    open_view(browser, server, view)
    see(browser, VIEWS[view])
    assert_all_reached(browser)


@pytest.mark.parametrize("view", ["mp", "cache"])
def test_each_control_of_an_mp_server_is_reached(browser: Browser, mp_server: InternalAPIServer, view: str) -> None:
    open_view(browser, mp_server, view)
    see(browser, MP_VIEWS[view])
    assert_all_reached(browser)


def test_views_are_opened_and_the_navigation_is_skipped(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server)
    browser.press("Tab")
    assert_focused(browser, "Skip to content")
    tab_to(browser, "Backends")
    browser.press("Enter")
    see(browser, "Create missing backends")
    assert eventually(lambda: browser.run("return document.activeElement.tagName") == "MAIN")
    tab_to(browser, "Skip to content", "Shift+Tab")
    browser.press("Enter", "Tab")
    assert_focus_in_view(browser)


def test_a_dialog_keeps_the_focus_and_returns_it_after_polls(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    tab_to(browser, "Freeze")
    browser.run("window.before = document.activeElement")
    browser.press("Enter")
    see(browser, "Enable freeze mode?")
    for key in ["Tab"] * 5 + ["Shift+Tab"] * 5:
        browser.press(key)
        inside = "return document.activeElement === document.body || document.activeElement.closest('dialog') !== null"
        assert browser.run(inside), focused(browser)
    put(server, "/hot_cache/disable")  # Draws the buttons again.
    assert eventually(lambda: not browser.run("return window.before.isConnected"))
    browser.press("Escape")
    assert eventually(lambda: not browser.run("return document.querySelector('dialog') !== null"))
    assert_focused(browser, "Freeze")
    assert not manager_of(server).lmcache_engine.is_frozen()


def put(server: InternalAPIServer, path: str) -> None:
    assert server.app is not None
    assert server.app.test_client().put(path).status_code == 200


IN_ROW = """const button = document.activeElement;
return `${button.closest('tr')?.querySelector('th').textContent}: ${button.textContent}`"""


def test_the_focus_stays_in_its_row_when_rows_before_it_change_or_leave(
    browser: Browser, server: InternalAPIServer
) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    browser.run("document.querySelectorAll('tbody tr')[1].querySelectorAll('button')[1].focus()")
    assert browser.run(IN_ROW) == "LocalDiskBackend: Recreate"
    put(server, "/bypass/add?backend_name=LocalCPUBackend")
    see(browser, "Use again")
    assert browser.run(IN_ROW) == "LocalDiskBackend: Recreate"
    assert server.app is not None
    assert server.app.test_client().delete("/backends/LocalCPUBackend").status_code == 200
    assert eventually(lambda: "LocalCPUBackend" not in shown(browser))
    assert browser.run(IN_ROW) == "LocalDiskBackend: Recreate"


def test_the_focus_does_not_move_to_the_button_of_another_row(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    browser.run("document.querySelectorAll('tbody tr')[0].querySelectorAll('button')[2].focus()")
    assert browser.run(IN_ROW) == "LocalCPUBackend: Close"
    assert server.app is not None
    assert server.app.test_client().delete("/backends/LocalCPUBackend").status_code == 200
    assert eventually(lambda: "LocalCPUBackend" not in shown(browser))
    assert browser.run("return document.activeElement.getAttribute('aria-label')") == "Backends"


POLLS = "return performance.getEntriesByName(location.origin + '/backends').length"


def test_a_poll_without_changes_keeps_the_selected_text(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    browser.run("getSelection().selectAllChildren(document.querySelectorAll('tbody th')[1])")
    polls = browser.run(POLLS)
    assert eventually(lambda: browser.run(POLLS) > polls + 1)
    assert browser.run("return String(getSelection())") == "LocalDiskBackend"


def test_what_cannot_be_undone_is_confirmed_and_the_focus_stays_in_the_view(
    browser: Browser, server: InternalAPIServer
) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    browser.run("document.querySelectorAll('tbody tr')[1].querySelectorAll('button')[2].focus()")
    assert_focused(browser, "Close")
    browser.press("Space")
    see_dialog(browser)
    browser.press(*"LocalDiskBackend", "Tab", "Space")
    assert eventually(lambda: "LocalDiskBackend" not in shown(browser))
    assert_focus_in_view(browser)


def test_a_refused_change_keeps_the_focus_in_the_dialog(browser: Browser, mp_server: InternalAPIServer) -> None:
    open_view(browser, mp_server, "mp")
    tab_to(browser, "Limit in GiB")
    browser.press(*"much", "Tab", "Enter")
    see(browser, "Set the quota of _default to much GiB?")
    tab_to(browser, "Apply")
    browser.press("Enter")
    see(browser, "400:")
    assert_focused(browser, "Apply")
    browser.press("Escape")
    assert_focused(browser, "Set quota")


def test_a_log_level_is_set_and_reset(browser: Browser, server: InternalAPIServer) -> None:
    logger = logging.getLogger("lmcache.keyboard")
    open_view(browser, server, "loglevels")
    see(browser, "NOTSET")
    browser.run("document.querySelector('main').focus()")
    browser.press("Tab", *logger.name, "Tab", "Down", "Tab", "Tab", "Enter")
    see(browser, "Set the level of lmcache.keyboard to INFO?")
    tab_to(browser, "Apply")
    browser.press("Space")
    assert eventually(lambda: logger.level == logging.INFO)
    assert_focused(browser, "Set")
    tab_to(browser, f"Reset {logger.name}")
    browser.press("Enter")
    tab_to(browser, "Apply")
    browser.press("Enter")
    assert eventually(lambda: not browser.run("return document.querySelector('dialog') !== null"))
    assert_focus_in_view(browser)


def test_a_setting_is_changed(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "configuration")
    see(browser, "pin_timeout_sec")
    tab_to(browser, "Filter settings")
    browser.press(*"pin_timeout_sec")
    tab_to(browser, "Edit pin_timeout_sec")
    browser.press("Enter")
    assert_focused(browser, "New value of pin_timeout_sec")
    browser.press("Escape")
    assert_focused(browser, "Edit pin_timeout_sec")
    browser.press("Enter")
    assert_focused(browser, "New value of pin_timeout_sec")
    browser.press(*"42", "Enter")
    see(browser, "300 → 42")
    tab_to(browser, "Apply")
    browser.press("Enter")
    see(browser, "Revision 1")
    assert manager_of(server).config.pin_timeout_sec == 42
    assert_focused(browser, "Edit pin_timeout_sec")


def test_a_profile_keeps_the_focus(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "threads")
    see(browser, "MainThread")
    tab_to(browser, "Take a profile")
    browser.press("Space")
    assert eventually(lambda: "200 samples" in shown(browser))
    assert_focused(browser, "Take a profile")


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_only_in_a_tooltip(browser: Browser, server: InternalAPIServer, view: str) -> None:
    """A tooltip needs a mouse. Those of disabled buttons and links say what their text says, too."""
    open_view(browser, server, view)
    see(browser, VIEWS[view])
    tooltips = """return [...document.querySelectorAll('[title]')]
        .filter((e) => e.title && !document.body.innerText.includes(e.title)).map((e) => e.title)"""
    assert browser.run(tooltips) == []
