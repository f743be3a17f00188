"""`lmcache-internal ui` as a process: its link, its socket, its end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from click.testing import CliRunner

from lmcache_internal.cli import main
from tests.ui.fleet_support import gateway_process


def ask(link: str, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(link).port or 0, timeout=10)
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
        assert process.wait(10) == 0
        assert time.monotonic() - began < 3
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
            assert process.wait(10) == 0
            assert time.monotonic() - began < 3


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
