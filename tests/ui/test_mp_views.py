"""The dashboard of an MP server with the embedded engine, in a real Chromium."""

from __future__ import annotations

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.support import eventually
from tests.ui.support import (
    MP_VIEWS,
    axe_findings,
    fill,
    manager_of,
    open_view,
    press,
    scrolled,
    see,
    see_dialog,
    shown,
)


@pytest.mark.parametrize("view", MP_VIEWS)
def test_each_view_of_an_mp_server_shows_its_data(browser: Browser, mp_server: InternalAPIServer, view: str) -> None:
    open_view(browser, mp_server, view)
    see(browser, MP_VIEWS[view])
    assert browser.run("return document.querySelector('p.error').textContent") == ""
    assert axe_findings(browser) == []
    browser.resize(400, 800)
    try:
        assert eventually(lambda: scrolled(browser) == []), scrolled(browser)
    finally:
        browser.resize(1400, 1000)
    assert browser.console() == []


def test_views_of_other_engines_are_not_offered(
    browser: Browser, mp_server: InternalAPIServer, server: InternalAPIServer
) -> None:
    open_view(browser, mp_server)
    see(browser, "MP server")
    navigation = "return document.querySelector('nav').innerText"
    assert "Backends" not in browser.run(navigation)
    open_view(browser, server)
    see(browser, "Backends")
    assert "MP server" not in browser.run(navigation)


def test_the_overview_of_an_mp_server_has_its_parts(browser: Browser, mp_server: InternalAPIServer) -> None:
    open_view(browser, mp_server)
    for text in ("Healthy", "for ", "Uptime", "Recent changes", "LMCache "):
        see(browser, text)
    open_view(browser, mp_server, "mp")
    see(browser, "Prefetches")


def test_quotas_are_set_changed_and_removed(browser: Browser, mp_server: InternalAPIServer) -> None:
    quotas = manager_of(mp_server).engine.storage_manager.quota_manager
    open_view(browser, mp_server, "mp")
    see(browser, "No quotas.")
    for salt, limit in (("alice", "0.5"), ("alice", "0.25"), ("", "1")):
        fill(browser, "Cache salt", salt)
        fill(browser, "Limit in GiB", limit)
        press(browser, "Set quota")
        see(browser, f'{{"limit_gb":{limit}}}')
        press(browser, "Apply")
        assert eventually(lambda: not browser.run("return document.querySelector('dialog') !== null"))
        see(browser, f"{limit} GiB")
    assert eventually(lambda: (quotas.get_limit_bytes("alice"), quotas.get_limit_bytes("")) == (2**28, 2**30))
    fill(browser, "Limit in GiB", "much")
    press(browser, "Set quota")
    press(browser, "Apply")
    see(browser, "400:")
    press(browser, "Cancel")
    browser.click("//tr[contains(., 'alice')]//button[.='Remove']")
    press(browser, "Apply")
    see(browser, "_default")
    assert eventually(lambda: "alice" not in browser.run("return document.querySelector('main').innerText"))


def test_l1_is_cleared(browser: Browser, mp_server: InternalAPIServer) -> None:
    open_view(browser, mp_server, "cache")
    see(browser, "without those in use")
    fill(browser, "Tokens", "0,64")
    press(browser, "Look up and explain")
    see(browser, "tokens are cached")
    press(browser, "Clear…")
    see_dialog(browser)
    assert "lmcache-internal" not in browser.run("return document.querySelector('dialog').innerText")
    browser.type("//dialog//input", "clear")
    press(browser, "Apply")
    see(browser, "L1: 0 objects in memory")
    assert eventually(lambda: "Store" not in shown(browser))
