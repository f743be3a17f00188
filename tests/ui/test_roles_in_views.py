"""Every view with each role, with a wrong token and without one, in a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.security.support import serving, token_file
from tests.support import eventually, fetch
from tests.ui.support import VIEWS, base, press, see, shown

ROLES = ("viewer", "operator", "admin")
ADMINS_ONLY = ("audit", "environment", "scripts")
FORBIDDEN = {"viewer": ADMINS_ONLY, "operator": ADMINS_ONLY, "admin": ()}
"""The views that a role may not read."""
DISABLED = {
    "viewer": {
        "backends": ["Freeze (operator)", "Drain (operator)", "Bypass (operator)", "Close (admin)", "Recreate (admin)"],
        "cache": ["Store (operator)", "Retrieve (operator)", "Clear… (operator)"],
        "configuration": ["Edit (admin)"],
        "loglevels": ["Set (operator)"],
    },
    "operator": {
        "backends": ["Close (admin)", "Recreate (admin)", "Create missing backends (admin)"],
        "configuration": ["Edit (admin)"],
    },
    "admin": {},
}
"""The changes that a role may not make."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InternalAPIServer, dict[str, str]]]:
    """A server that requires tokens, and a token of each role."""
    directory = tmp_path_factory.mktemp("roles")
    path, tokens = token_file(directory, **{role: role for role in ROLES})
    extra = {"tokens_file": str(path), "trust_loopback": False}
    disk = str(directory)
    with serving(directory, extra=extra, run_script_api_enabled=True, local_disk=disk, max_local_disk_size=1) as server:
        yield server, tokens


def enter(browser: Browser, server: InternalAPIServer, token: str | None) -> None:
    """Open the page, and use a token, if any."""
    fetch(server, "/healthz")
    browser.open("about:blank")
    browser.open(f"{base(server)}/ui")
    see(browser, "requires a token")
    if token is not None:
        browser.type("//input[@aria-label='Token']", token)
        press(browser, "Use token")
    browser.console(), browser.requested()


def go(browser: Browser, view: str) -> None:
    browser.run("location.hash = arguments[0]", view)
    titles = "return import('/ui/views.js').then(({ VIEWS }) => VIEWS.find(({ id }) => id === arguments[0]).title)"
    title = browser.run(titles, view)
    assert eventually(lambda: browser.run("return document.querySelector('h1').textContent") == title)


@pytest.mark.parametrize("role", ROLES)
def test_each_view_shows_what_the_role_may_do_and_what_not(
    browser: Browser, guarded: tuple[InternalAPIServer, dict[str, str]], role: str
) -> None:
    server, tokens = guarded
    enter(browser, server, tokens[role])
    see(browser, f"{role}, role {role}")
    see(browser, "Healthy")
    for view, text in VIEWS.items():
        go(browser, view)
        if view in FORBIDDEN[role]:
            see(browser, f"Your role is {role}.")
        else:
            see(browser, text)
        disabled = browser.run(
            "return [...document.querySelectorAll('main button:disabled')].map((b) => b.textContent)"
        )
        expected = DISABLED[role].get(view, [])
        assert set(expected) <= set(disabled), view
        assert (disabled == []) == (expected == []), (view, disabled)
        assert browser.run("return document.querySelector('p.error').textContent") == "", view
    assert browser.console() == []


@pytest.mark.parametrize("token", ["wrong", None], ids=["wrong token", "no token"])
def test_without_a_valid_token_each_view_says_so_and_shows_no_data(
    browser: Browser, guarded: tuple[InternalAPIServer, dict[str, str]], token: str | None
) -> None:
    server, _ = guarded
    enter(browser, server, token)
    for view in VIEWS:
        go(browser, view)
        # After some failures, the server refuses to check more tokens of the address for a while.
        assert eventually(lambda: shown_problem(browser).startswith(("401: ", "429: "))), shown(browser)
        title, *content = browser.run("return document.querySelector('main').innerText").strip().split("\n")
        assert title == browser.run("return document.querySelector('h1').innerText")
        assert "".join(content) in ("", "Loading…")
    # A browser reports each failed request, but no error of the page.
    assert [line for line in browser.console() if not re.search("status of (401|429) ", line)] == []
    assert "Live" not in shown(browser)


def shown_problem(browser: Browser) -> str:
    return str(browser.run("return document.querySelector('p.error').textContent"))


def test_a_role_that_changes_while_the_page_is_open_is_noticed(browser: Browser, tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, someone="viewer")
    with serving(tmp_path, extra={"tokens_file": str(path), "trust_loopback": False}) as server:
        enter(browser, server, tokens["someone"])
        see(browser, "someone, role viewer")
        go(browser, "audit")
        see(browser, "Your role is viewer.")
        path.write_text(path.read_text().replace("viewer", "admin"))
        assert eventually(lambda: "someone, role admin" in shown(browser))
        see(browser, "Caller")
        token_file(tmp_path, other="admin")
        assert eventually(lambda: "401" in shown_problem(browser)), shown(browser)


@pytest.mark.parametrize("role", ["viewer", "admin"])
def test_who_may_not_read_the_audit_log_is_told_so_beside_the_recent_changes(
    browser: Browser, guarded: tuple[InternalAPIServer, dict[str, str]], role: str
) -> None:
    server, tokens = guarded
    enter(browser, server, tokens[role])
    see(browser, "Recent changes")
    assert ("Changes in the audit log require the role admin." in shown(browser)) == (role == "viewer")
