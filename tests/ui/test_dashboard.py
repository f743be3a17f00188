"""The dashboard in a real Chromium, against a real server with an embedded engine."""

from __future__ import annotations

import json
import logging
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.security.support import serving, token_file
from tests.support import eventually
from tests.ui.support import (
    ASSETS,
    VIEWS,
    axe_findings,
    base,
    key,
    manager_of,
    open_view,
    press,
    scrolled,
    see,
    see_dialog,
    shown,
)

HTML = '<img src="/nowhere" onerror="document.title=1">'


@pytest.mark.parametrize(("view", "text"), VIEWS.items())
def test_each_view_shows_its_data_and_asks_no_other_origin(
    browser: Browser, server: InternalAPIServer, view: str, text: str
) -> None:
    open_view(browser, server)
    see(browser, "Token hit rate")
    open_view(browser, server, view)
    see(browser, text)
    assert browser.console() == []
    assert {url for url in browser.requested() if not url.startswith(base(server))} == set()


def test_the_assets_together_are_less_than_150_kb() -> None:
    files = [file for file in ASSETS.rglob("*") if file.is_file() and file.parent.name != "fleet"]
    assert sum(file.stat().st_size for file in files) < 150_000


def test_every_asset_is_packaged_and_no_other_file_is_sent(server: InternalAPIServer) -> None:
    assert server.app is not None
    client = server.app.test_client()
    for file in ASSETS.rglob("*.*"):
        expected = 404 if file.suffix == ".html" else 200
        assert client.get(f"/ui/{file.relative_to(ASSETS).as_posix()}").status_code == expected
    for name in ("../pages.py", "%2e%2e/pages.py", "/etc/passwd", "none.js", "views", ""):
        assert client.get(f"/ui/{name}").status_code in (200, 404)
        assert b"def page" not in client.get(f"/ui/{name}").data


def test_html_in_names_is_shown_as_text(
    browser: Browser, server: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOSTILE", HTML)
    logging.getLogger(HTML).setLevel("INFO")
    release = threading.Event()
    threading.Thread(target=release.wait, args=(30,), name=HTML, daemon=True).start()
    try:
        for view in ("environment", "loglevels", "threads"):
            open_view(browser, server, view)
            see(browser, HTML)
            assert browser.run("return document.querySelectorAll('img').length") == 0
    finally:
        release.set()
        del logging.Logger.manager.loggerDict[HTML]


def test_a_change_asks_and_shows_the_commands_that_do_the_same(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    press(browser, "Freeze")
    see(browser, f"curl -X PUT '{base(server)}/freeze/enable'")
    press(browser, "Cancel")
    see(browser, "Not frozen.")
    press(browser, "Freeze")
    press(browser, "Apply")
    see(browser, "Frozen: nothing is stored.")
    assert eventually(manager_of(server).lmcache_engine.is_frozen)


@pytest.mark.parametrize(
    ("view", "button"),
    [
        ("backends", "//button[.='Freeze']"),
        ("backends", "//button[.='Turn off']"),
        ("backends", "//tr[contains(., 'LocalDiskBackend')]//button[.='Bypass']"),
        ("backends", "//tr[contains(., 'LocalDiskBackend')]//button[.='Recreate']"),
        ("backends", "//tr[contains(., 'LocalDiskBackend')]//button[.='Close']"),
        ("cache", "//button[.='Store']"),
        ("cache", "//button[.='Retrieve']"),
        ("cache", "//button[.='Clear…']"),
        ("loglevels", "//tr[contains(., 'lmcache.demo')]//button[.='Reset']"),
    ],
)
@pytest.mark.parametrize("number", [0, 1], ids=["curl", "lmcache-internal"])
def test_the_commands_that_are_shown_make_the_same_change(
    browser: Browser, server: InternalAPIServer, view: str, button: str, number: int
) -> None:
    logging.getLogger("lmcache.demo").setLevel("INFO")
    open_view(browser, server, view)
    browser.click(button)
    see_dialog(browser)
    line = str(browser.run("return document.querySelector('dialog pre').textContent")).splitlines()[number]
    program, *words = shlex.split(line)
    if program == "curl":
        words.append("--fail")
    else:
        program = str(Path(sys.executable).with_name(program))
        if "--yes" in subprocess.run([program, *words, "--help"], capture_output=True, text=True, check=True).stdout:
            words.append("--yes")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (line, done)


def test_what_cannot_be_undone_wants_the_name_typed(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    browser.click("//tr[contains(., 'LocalDiskBackend')]//button[.='Close']")
    see_dialog(browser)
    apply = "return [...document.querySelectorAll('dialog button')].find((b) => b.textContent === 'Apply').disabled"
    assert browser.run(apply)
    browser.type("//dialog//input", "LocalDisk")
    assert browser.run(apply)
    browser.type("//dialog//input", "Backend")
    assert not browser.run(apply)
    press(browser, "Apply")
    assert eventually(lambda: "LocalDiskBackend" not in shown(browser))


def test_a_setting_is_checked_before_it_is_changed_and_can_be_restored(
    browser: Browser, server: InternalAPIServer
) -> None:
    open_view(browser, server, "configuration")
    see(browser, "min_retrieve_tokens")
    edit(browser, "min_retrieve_tokens", "minus one")
    see(browser, "min_retrieve_tokens")
    assert eventually(lambda: bool(browser.run("return document.querySelector('td .error:not(:empty)') !== null")))
    edit(browser, "pin_timeout_sec", "42")
    see(browser, "300 → 42")
    press(browser, "Apply")
    see(browser, "Revision 1")
    assert eventually(lambda: manager_of(server).config.pin_timeout_sec == 42)
    press(browser, "Back to revision 0")
    press(browser, "Apply")
    assert eventually(lambda: manager_of(server).config.pin_timeout_sec == 300)


def edit(browser: Browser, name: str, value: str) -> None:
    browser.click(f"//button[@aria-label='Edit {name}']")
    browser.run("document.activeElement.value = ''")
    browser.type(f"//input[@aria-label='New value of {name}']", value)
    browser.click(f"//input[@aria-label='New value of {name}']/following-sibling::button")


def test_a_script_shows_its_result_its_output_and_its_error(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "scripts")
    for source, expected in (("print('hello')\nresult = 6 * 7", "42"), ("1 / 0", "ZeroDivisionError")):
        browser.run("document.querySelector('textarea').value = arguments[0]", source)
        press(browser, "Run…")
        press(browser, "Apply")
        see(browser, expected)
    see(browser, "Traceback")


def test_tokens_are_kept_in_memory_and_a_role_sees_what_it_may_not_do(browser: Browser, tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, viewer="viewer", operator="operator")
    extra = {"tokens_file": str(path), "trust_loopback": False}
    with serving(tmp_path, extra=extra) as server:
        browser.open("about:blank")
        browser.open(f"{base(server)}/ui#backends")
        see(browser, "requires a token")
        use(browser, "wrong")
        see(browser, "401")
        use(browser, tokens["viewer"])
        see(browser, "viewer, role viewer")
        see(browser, "Freeze (operator)")
        assert browser.run("return [...document.querySelectorAll('main button')].every((b) => b.disabled)")
        use(browser, tokens["operator"])
        see(browser, "operator, role operator")
        press(browser, "Freeze")
        see(browser, "Authorization: Bearer $LMCACHE_INTERNAL_TOKEN")
        press(browser, "Apply")
        see(browser, "Frozen")
        kept = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])"
        assert not any(token in browser.run(kept) for token in tokens.values())
        assert tokens["operator"] not in " ".join(browser.requested())


def use(browser: Browser, token: str) -> None:
    browser.type("//input[@aria-label='Token']", token)
    press(browser, "Use token")


def test_the_page_survives_a_restart_of_the_server_and_says_how_old_its_data_are(
    browser: Browser, server: InternalAPIServer
) -> None:
    color = "return getComputedStyle(document.querySelector('main')).filter"
    open_view(browser, server)
    assert eventually(lambda: bool(browser.run(color) == "none"))
    server.stop(0)
    assert eventually(lambda: "cannot be reached" in shown(browser))
    assert eventually(lambda: "old" in shown(browser))
    assert eventually(lambda: bool(browser.run(color) == "grayscale(1)"))
    server.start()
    assert eventually(lambda: "Live" in shown(browser))
    assert eventually(lambda: bool(browser.run(color) == "none"))


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(browser: Browser, server: InternalAPIServer, view: str) -> None:
    open_view(browser, server, view)
    see(browser, VIEWS[view])
    assert axe_findings(browser) == []


@pytest.mark.parametrize("view", VIEWS)
def test_a_narrow_window_needs_no_horizontal_scrolling(browser: Browser, server: InternalAPIServer, view: str) -> None:
    open_view(browser, server, view)
    see(browser, VIEWS[view])  # A list has no heads of columns.
    browser.resize(400, 800)
    try:
        assert eventually(lambda: scrolled(browser) == []), scrolled(browser)
    finally:
        browser.resize(1400, 1000)


def test_a_chart_is_read_with_the_keyboard(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server)
    usage = "return document.querySelector('.chart:nth-child(3) .empty') === null"  # Has values without traffic, too.
    assert eventually(lambda: bool(browser.run(usage)))
    browser.run("document.querySelector('.plot').focus()")
    key(browser, "Home")
    readout = browser.run("return document.querySelector('.readout .when').textContent")
    assert readout != "now"
    assert json.dumps(readout).count(":") == 2
