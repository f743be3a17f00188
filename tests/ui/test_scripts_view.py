"""Scripts that take long or never end, in a real Chromium."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.security.support import serving
from tests.support import eventually
from tests.ui.support import VIEWS, open_view, press, see, shown

TIMEOUT = 25
"""In seconds. Four views are opened before it, also on a busy machine."""
NEVER_ENDS = {
    "busy": ("while True: pass", "was stopped"),
    "asleep": (f"import time\ntime.sleep({TIMEOUT + 2})", "could not be stopped; its thread keeps running"),
}


def run(browser: Browser, source: str) -> None:
    browser.run("document.querySelector('textarea').value = arguments[0]", source)
    press(browser, "Run…")
    press(browser, "Apply")


def have_ended() -> bool:
    """Wait until no script runs; scripts of other tests count, because the limit is one of the process."""
    return eventually(lambda: not any("<script" in thread.name for thread in threading.enumerate()))


@pytest.mark.parametrize(("source", "outcome"), NEVER_ENDS.values(), ids=NEVER_ENDS)
def test_a_script_that_never_ends_leaves_the_page_usable_and_shows_its_timeout(
    browser: Browser, tmp_path: Path, source: str, outcome: str
) -> None:
    limits = {"script_timeout": TIMEOUT, "call_timeout": 5}
    # The page waits 5 s longer than the server: 10 s for other requests than scripts.
    with serving(tmp_path, extra=limits, run_script_api_enabled=True, script_allowed_imports=["time"]) as server:
        open_view(browser, server, "scripts")
        run(browser, source)
        see(browser, f"It is stopped after {TIMEOUT} s.")
        # A busy browser may skip a second.
        assert eventually(lambda: re.search(r"Running for ([2-9]|\d\d) s", shown(browser)) is not None)
        for view in ("overview", "threads", "backends"):
            browser.run("location.hash = arguments[0]", view)
            see(browser, VIEWS[view])
        assert "Live" in shown(browser)
        browser.run("location.hash = 'scripts'")
        see(browser, "Running for ")
        assert eventually(lambda: f"still running after {TIMEOUT} s and {outcome}" in shown(browser)), shown(browser)
        see(browser, "Traceback")
        run(browser, "result = 6 * 7")
        see(browser, "42")
        assert f"and {outcome}" in shown(browser)
        assert have_ended()


def test_a_reload_during_a_script_does_no_harm(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, extra={"script_timeout": 4}, run_script_api_enabled=True) as server:
        open_view(browser, server, "scripts")
        run(browser, "while True: pass")
        see(browser, "Running for ")
        open_view(browser, server, "scripts")
        run(browser, "result = 'another one'")
        see(browser, "another one")
        assert have_ended()
        assert [line for line in browser.console() if "Failed to load resource" not in line] == []


def test_the_page_waits_longer_than_the_server(browser: Browser, server: InternalAPIServer) -> None:
    assert server.app is not None
    timeouts = server.app.test_client().get("/ui/session").json["timeouts"]  # type: ignore[index]
    open_view(browser, server)
    module = "return import('/ui/client.js').then(({ waitMs }) => waitMs(Number(arguments[0])))"
    for seconds in timeouts.values():
        assert browser.run(module, str(seconds)) > seconds * 1000
    assert browser.run(module, "1e12") == 2**31 - 1
