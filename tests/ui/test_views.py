"""What the views of a rank show and change, in a real Chromium."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

from lmcache_internal import InternalAPIServer
from tests.browser import Browser
from tests.security.support import serving, token_file
from tests.support import eventually
from tests.ui.support import base, fill, key, manager_of, open_view, press, see, shown

PROGRAMS = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
NO_VALUE = "\N{EN DASH}"
READOUTS = """return Object.fromEntries([...document.querySelectorAll('.chart .entry')]
    .map((entry) => [entry.childNodes[1].textContent.trim(), entry.querySelector('b').textContent]))"""
"""The value of each line of the charts; of the latencies, the 95th percentile."""


def send(server: InternalAPIServer, method: str, path: str, body: str = "") -> None:
    urlopen(Request(base(server) + path, body.encode() or None, method=method)).close()


def test_the_overview_shows_modes_usage_threads_and_recent_changes(browser: Browser, server: InternalAPIServer) -> None:
    send(server, "PUT", "/freeze/enable")
    send(server, "PUT", "/bypass/add?backend_name=LocalDiskBackend")
    send(server, "POST", "/conf", '{"min_retrieve_tokens": 64}')
    send(server, "POST", "/admin/drain?reason=test")
    open_view(browser, server)
    for text in (
        "Frozen: nothing is stored",
        "LocalDiskBackend bypassed",
        "Drained: /readyz fails",
        "1 GiB",
        "PinMonitor-thread",
        "PUT /freeze/enable by local",
        "Configuration revision 1: min_retrieve_tokens: 0 → 64",
        "frozen since ",
        "until POST /admin/undrain: test",
    ):
        see(browser, text)
    assert browser.run("return document.querySelectorAll('meter').length") == 2


def test_the_overview_shows_traffic_latency_evictions_failures_pings_and_versions(
    browser: Browser, tmp_path: Path
) -> None:
    with serving(tmp_path, max_local_cpu_size=0.00001) as server, traffic(server):
        open_view(browser, server)
        found: dict[str, str] = {}

        def figures() -> dict[str, str]:
            found.update(browser.run(READOUTS))
            return found

        lines = ["hit rate", "requested", "hit", "stored", "memory", "evictions", "failed gets", "failed puts"]
        lines += ["retrieve", "store", "lookup"]
        assert eventually(lambda: all(figures().get(line, NO_VALUE) != NO_VALUE for line in lines)), found
        for text in ("Uptime", "LMCache ", "PinMonitor-thread", "last 30 s", "Remote backend"):
            see(browser, text)
        send(server, "PUT", "/freeze/enable")
        send(server, "POST", "/conf", '{"min_retrieve_tokens": 64}')
        marks = "return [...document.querySelectorAll('.chart:first-child .mark title')].map((e) => e.textContent)"
        assert eventually(lambda: len(browser.run(marks)) >= 2), browser.run(marks)
        assert any("freeze" in mark for mark in browser.run(marks))
        assert any("revision 1" in mark for mark in browser.run(marks))


@contextlib.contextmanager
def traffic(server: InternalAPIServer) -> Iterator[None]:
    """Look up, store and retrieve tokens all the time, in the engine; requests would fill the audit log."""
    engine, ended = manager_of(server).lmcache_engine, threading.Event()

    def run() -> None:
        for start in itertools.cycle((0, 64, 128)):
            if ended.wait(0.02):
                return
            for call in (engine.lookup, engine.store, engine.retrieve):
                call(list(range(start, start + 64)))

    sender = threading.Thread(target=run)
    sender.start()
    try:
        yield
    finally:
        ended.set()
        sender.join()


def test_a_failing_check_shows_its_reason_and_since_when(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "broken_api.py").write_text("1 / 0")
    with serving(tmp_path, extra={"plugin_dirs": [str(tmp_path)]}) as server:
        open_view(browser, server)
        see(browser, "1 failing")
        assert "ZeroDivisionError" in browser.text("//li[contains(., 'plugins')]")
        ages = "return [...document.querySelectorAll('main li time, .badge time')].map((e) => e.textContent)"
        assert eventually(lambda: is_older(browser.run(ages))), browser.run(ages)
        open_view(browser, server)  # The server knows since when it fails, not the page.
        see(browser, "1 failing")
        assert eventually(lambda: len(browser.run(ages)) == 2)
        assert is_older(browser.run(ages)), browser.run(ages)


def is_older(ages: list[str]) -> bool:
    """Whether all ages, such as "for 3 s" or "for 1 min", are more than two seconds."""
    return all(re.fullmatch(r"for ([3-9]|\d\d) s|for .*min.*", age) for age in ages)


def test_a_poll_keeps_the_keyboard_focus(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    focused = "return document.activeElement.textContent"
    row = "[...document.querySelectorAll('tr')].find((tr) => tr.textContent.includes('LocalDisk'))"
    browser.run(f"window.before = {row}; window.before.querySelectorAll('button')[1].focus()")
    assert browser.run(focused) == "Recreate"
    send(server, "PUT", "/bypass/add?backend_name=LocalCPUBackend")  # A poll without changes draws nothing.
    assert eventually(lambda: not browser.run("return window.before.isConnected"))
    assert browser.run(focused) == "Recreate"


def test_a_poll_during_a_click_does_not_lose_the_click(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "LocalDiskBackend")
    send(server, "PUT", "/bypass/add?backend_name=LocalCPUBackend")  # A poll without changes draws nothing.
    browser.hold("//tr[contains(., 'LocalDiskBackend')]//button[.='Bypass']", 5)  # Two polls.
    see(browser, "Bypass the backend LocalDiskBackend?")
    press(browser, "Apply")
    see(browser, "bypassed")  # Polls show changes again.


def test_a_backend_that_was_closed_is_created_again(browser: Browser, server: InternalAPIServer) -> None:
    send(server, "DELETE", "/backends/LocalDiskBackend")
    open_view(browser, server, "backends")
    see(browser, "LocalCPUBackend")
    press(browser, "Create missing backends")
    press(browser, "Apply")
    see(browser, "LocalDiskBackend")


def test_a_rank_is_drained_and_put_back(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "backends")
    see(browser, "In rotation.")
    fill(browser, "Reason of the drain", "new disk")
    fill(browser, "Minutes", "5")
    press(browser, "Drain")
    see(browser, "lmcache-internal drain --reason 'new disk' --seconds 300")
    press(browser, "Apply")
    see(browser, ": new disk.")
    assert re.search(r"Drained since [\d-]+ [\d:]+ until [\d-]+ [\d:]+: new disk\.", shown(browser))
    press(browser, "Undrain")
    press(browser, "Apply")
    see(browser, "In rotation.")


def test_tokens_are_explained(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "cache")
    see(browser, "chunks in memory")
    send(server, "POST", "/cache/store?tokens_mock=0,512")
    fill(browser, "Tokens", "0,1024")
    press(browser, "Look up and explain")
    see(browser, "512 of 1024 tokens are cached")
    see(browser, "not-cached")
    see(browser, "Next step:")
    fill(browser, "Tokens", "[1, 2, 3]")
    press(browser, "Look up and explain")
    see(browser, "0 of 3 tokens are cached; the last 3 are not a whole chunk")
    fill(browser, "Tokens", "nothing")
    press(browser, "Look up and explain")
    see(browser, "400")


def test_a_clear_names_what_it_removes_and_clears_the_chosen_backend(
    browser: Browser, server: InternalAPIServer
) -> None:
    send(server, "POST", "/cache/store?tokens_mock=0,512")
    storage = manager_of(server).lmcache_engine.storage_manager
    open_view(browser, server, "cache")
    see(browser, "on disk")
    browser.run("document.querySelector('select').value = 'LocalDiskBackend'")
    press(browser, "Clear…")
    see(browser, "This would remove:")
    see(browser, "locations=LocalDiskBackend")
    browser.type("//dialog//input", "clear")
    press(browser, "Apply")
    see(browser, "num_removed")
    assert storage.list_backends().keys() >= {"LocalCPUBackend", "LocalDiskBackend"}
    send(server, "POST", "/cache/retrieve?tokens_mock=0,512")


def test_the_configuration_shows_its_difference_to_the_file(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "configuration")
    see(browser, "None: each value is that of the start.")
    send(server, "POST", "/conf", '{"min_retrieve_tokens": 64}')
    send(server, "POST", "/conf", '{"min_retrieve_tokens": 128, "pin_timeout_sec": 42}')
    send(server, "POST", "/conf", '{"pin_timeout_sec": 300}')
    open_view(browser, server, "configuration")
    see(browser, "min_retrieve_tokens: 128")
    browser.run("const s = document.querySelector('select'); s.value = 'file'; s.dispatchEvent(new Event('change'));")
    assert browser.run(
        "return [...document.querySelectorAll('tbody tr')].map((tr) => tr.querySelector('code').textContent)"
    ) == ["min_retrieve_tokens"]


def test_the_doctor_shows_findings_with_evidence_and_next_step(browser: Browser, server: InternalAPIServer) -> None:
    send(server, "PUT", "/freeze/enable")
    open_view(browser, server, "doctor")
    see(browser, "Next step:")
    see(browser, "frozen")
    see(browser, "Checked:")
    see(browser, "Not checked:")


def test_a_next_step_is_a_command_for_this_rank(browser: Browser, server: InternalAPIServer) -> None:
    send(server, "PUT", "/freeze/enable")
    send(server, "PUT", "/bypass/add?backend_name=LocalDiskBackend")
    open_view(browser, server, "doctor")
    see(browser, f"lmcache-internal freeze off --url {base(server)}")
    see(browser, f"lmcache-internal bypass remove LocalDiskBackend --url {base(server)}")
    see(browser, "PUT /bypass/remove?backend_name=LocalDiskBackend")
    commands = browser.run("return [...document.querySelectorAll('.group code')].map((code) => code.textContent)")
    for command in commands:
        done = subprocess.run(shlex.split(command), env=PROGRAMS, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done)
    assert not manager_of(server).lmcache_engine.is_frozen()
    open_view(browser, server, "cache")
    send(server, "PUT", "/freeze/enable")
    see(browser, "chunks in memory")
    press(browser, "Look up and explain")
    see(browser, f"lmcache-internal freeze off --url {base(server)}")


def test_a_profile_is_a_flame_graph_for_mouse_keyboard_and_screen_reader(
    browser: Browser, server: InternalAPIServer
) -> None:
    open_view(browser, server, "threads")
    see(browser, "MainThread")
    press(browser, "Take a profile")
    assert eventually(lambda: "200 samples" in shown(browser))
    label = "return document.querySelector('.flame').getAttribute('aria-label')"
    assert browser.run(label).replace("\u00a0", " ").startswith("Flame graph. all: 100 %")
    browser.run("document.querySelector('.flame').focus()")
    key(browser, "ArrowDown")
    inner = browser.run(label)
    assert "all:" not in inner
    key(browser, "Enter")
    assert browser.run("return document.querySelectorAll('.flame .selected').length") == 1
    assert inner.split(":")[0].removeprefix("Flame graph. ") in browser.run(
        "return document.querySelector('.flame g title').textContent"
    )
    key(browser, "Escape")
    assert browser.run(label).startswith("Flame graph. all")
    assert browser.run("return document.querySelectorAll('.chart tbody tr').length") > 3
    browser.type("//input[@aria-label='Filter threads']", "_bootstrap")
    assert browser.run("return document.querySelectorAll('.flame .found').length") > 0
    assert browser.console() == []


def test_a_view_that_the_role_may_not_use_names_the_required_role(browser: Browser, tmp_path: Path) -> None:
    path, tokens = token_file(tmp_path, viewer="viewer")
    with serving(tmp_path, extra={"tokens_file": str(path), "trust_loopback": False}) as server:
        browser.open("about:blank")
        browser.open(f"{base(server)}/ui#audit")
        see(browser, "requires a token")
        browser.type("//input[@aria-label='Token']", tokens["viewer"])
        press(browser, "Use token")
        see(browser, "This view requires the role admin. Your role is viewer.")
        see(browser, "Audit (admin)")
        see(browser, "Live")
        browser.run("location.hash = 'overview'")
        see(browser, "None known.")
        assert "403" not in shown(browser)
        browser.run("location.hash = 'cache'")
        see(browser, "Store (operator)")
        press(browser, "Look up and explain")
        see(browser, "tokens are cached")


def test_nothing_moves_for_users_who_prefer_no_motion(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server)
    see(browser, "Token hit rate")
    moving = """return [...document.querySelectorAll('*')].filter((element) => {
        const style = getComputedStyle(element);
        return parseFloat(style.transitionDuration) > 0 || style.animationName !== 'none';
    }).length"""
    assert browser.run(moving) == 0


def test_tokens_that_cannot_be_sent_are_refused_with_the_reason(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server, "cache")
    see(browser, "Retrieve")
    for label in ("Store", "Retrieve"):
        browser.run("document.querySelector('[aria-label=Tokens]').value = '\\ud800'")
        browser.run("document.querySelector('[aria-label=Result]').replaceChildren()")
        press(browser, label)
        result = "return document.querySelector('[aria-label=Result]').innerText"
        assert eventually(lambda: "URI malformed" in browser.run(result)), label  # noqa: B023  # Called now.


def test_a_chart_without_values_says_so(browser: Browser, server: InternalAPIServer) -> None:
    open_view(browser, server)
    labels = "return document.querySelectorAll('.chart:first-child text').length"
    assert eventually(lambda: browser.run(labels) == 5 + 2)  # Of the values, and of two or more polls.
    assert "No values yet" in browser.text("//figure[1]")
