"""`lmcache-internal ui` as a process: its link, its socket, its end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from lmcache_internal.cli import main
from lmcache_internal.cli.ui import _open
from lmcache_internal.cli.ui.login_file import login_file
from tests.browser import Browser
from tests.support import eventually
from tests.ui.fleet_support import gateway_process
from tests.ui.support import see


def ask(link: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(link).port or 0, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("Set-Cookie") or ""
    finally:
        connection.close()


def test_the_link_gives_a_session_once_and_ctrl_c_ends_the_command() -> None:
    with gateway_process("--url", "http://127.0.0.1:1") as (process, link):
        address = urlsplit(link)
        assert ask(link, "GET", "/", {})[0] == 401
        assert ask(link, "GET", f"/login?{address.query}", {"Host": "evil.example"})[0] == 403
        status, cookie = ask(link, "GET", f"/login?{address.query}", {})
        assert status == 200
        assert cookie.startswith(f"lmcache-internal-ui-{address.port}=")
        assert ask(link, "GET", f"/login?{address.query}", {})[0] == 403
        session = {"Cookie": cookie.partition(";")[0]}
        assert ask(link, "GET", "/fleet/poll", session)[0] == 200
        assert ask(link, "GET", "/fleet/poll", session | {"Host": "evil.example"})[0] == 403
        assert ask(link, "GET", "/fleet/poll", session | {"Sec-Fetch-Site": "same-site"})[0] == 403
        began = time.monotonic()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        assert time.monotonic() - began < 20
        assert process.stdout is not None
        assert "/login?token=" in process.stdout.read()  # The next link.


def test_a_rank_that_hangs_does_not_delay_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        url = f"http://127.0.0.1:{hanging.getsockname()[1]}"
        with gateway_process("--url", url, "--timeout", "0.5") as (process, link):
            cookie = ask(link, "GET", f"/login?{urlsplit(link).query}", {})[1].partition(";")[0]
            ask(link, "GET", "/fleet/poll", {"Cookie": cookie})
            began = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            assert process.wait(60) == 0
            assert time.monotonic() - began < 20


@contextmanager
def recording_browser(directory: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    """The command `ui` with a browser that only records its argument: the process, the link, and the opened file."""
    record, script = directory / "argument", directory / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {record}.part && mv {record}.part {record}\n')
    script.chmod(0o700)
    given = ["--browser", "--url", "http://127.0.0.1:1", *arguments]
    with gateway_process(*given, DISPLAY=":9", BROWSER=f"{script} %s", TMPDIR=str(directory)) as (process, link):
        assert eventually(record.exists)
        yield process, link, Path(record.read_text().removeprefix("file://"))


def test_the_browser_is_not_started_with_the_link(tmp_path: Path) -> None:
    with recording_browser(tmp_path) as (process, link, file):
        token = link.partition("token=")[2]
        assert token not in str(file)
        assert token in file.read_text()
        assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert ask(link, "GET", f"/login?token={token}", {})[0] == 200
        assert not file.parent.exists()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0


def test_a_link_that_nobody_has_used_leaves_no_file(tmp_path: Path) -> None:
    with recording_browser(tmp_path) as (process, _, file):
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(60) == 0
        assert not file.parent.exists()


def test_without_a_place_for_the_file_the_link_is_still_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", "/proc/no/such/directory")
    with ExitStack() as stack:
        _open(stack, login_file("http://127.0.0.1:1/login?token=x"))
    assert opened == []
    assert "Open the link yourself" in capsys.readouterr().err


def test_the_file_logs_in(browser: Browser) -> None:
    """A page of the origin `null` leads to the link: its cookie is SameSite=Strict, and the gateway checks origins."""
    with gateway_process("--url", "http://127.0.0.1:1") as (_, link), login_file(link) as url:
        browser.open("about:blank")
        browser.console()  # Of the tests before.
        browser.open(url)
        see(browser, "Live")
        assert browser.run("return location.href") == link.partition("login")[0]
        assert browser.run("return document.referrer") in ("", link.partition("?")[0])
        assert [line for line in browser.console() if "favicon" not in line] == []


def test_only_loopback_can_connect() -> None:
    with gateway_process("--url", "http://127.0.0.1:1") as (_, link):
        end = f":{urlsplit(link).port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        assert [line[1] for line in lines if line[3] == "0A" and line[1].endswith(end)] == [f"0100007F{end}"]


def test_a_port_in_use_is_an_error_with_the_next_step() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(main, ["ui", "--url", "http://127.0.0.1:1", "--port", port, "--no-browser"])
    assert result.exit_code == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert "--port" in result.stderr
