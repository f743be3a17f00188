"""Real WSGI servers that stop, fork, and fail to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support import ROOT, eventually, fetch
from tests.wsgi.servers import SERVERS, START_SECONDS, config_file, launched


def test_servers_stop_on_sigint_and_never_trust_a_unix_socket(tmp_path: Path) -> None:
    # gunicorn's socket is open to every user of the machine, and no server reports the user of the peer.
    config = config_file(tmp_path, {"trust_loopback": True})
    with ExitStack() as stack:
        fleet: dict[str, Any] = {
            server: stack.enter_context(launched(tmp_path / server, server, "unix", LMCACHE_CONFIG_FILE=config))
            for server in SERVERS
        }
        for server in fleet.values():
            server.wait_until_it_serves()
        assert {name: fetch(server, "/conf")[0] for name, server in fleet.items()} == dict.fromkeys(SERVERS, 401)
        assert {name: server.end() for name, server in fleet.items()} == dict.fromkeys(SERVERS, 0)
        assert not [server.text() for server in fleet.values() if "Traceback" in server.text()]


def test_preloaded_workers_have_separate_engines(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"trust_loopback": True})
    options = ("--preload", "--workers=2")
    with launched(tmp_path / "gunicorn", "gunicorn", "tcp", *options, LMCACHE_CONFIG_FILE=config) as started:
        started.wait_until_it_serves()
        server: Any = started
        engines: set[str] = set()

        def ask(_: int) -> None:
            status, body = fetch(server, "/conf?names=lmcache_instance_id")
            assert status == 200
            engines.add(json.loads(body)["lmcache_instance_id"])

        def both_answered() -> bool:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(ask, range(8)))
            return len(engines) == 2

        assert eventually(both_answered)
        for _ in range(5):  # Threads do not survive a fork, so neither worker has the engine of the parent.
            assert b"PinMonitor-thread" in fetch(server, "/threads")[1]
            assert fetch(server, "/readyz") == (200, b"ok")
        assert len(engines) == 2
        # Each logs it at most once; the first may have had its first request before the second existed.
        assert started.text().count("2 worker processes serve this app") in (1, 2)
        assert started.end() == 0


def test_single_worker_logs_no_warning_and_its_401_names_both_settings(tmp_path: Path) -> None:
    with launched(tmp_path / "gunicorn", "gunicorn", "tcp", LMCACHE_CONFIG_FILE=config_file(tmp_path)) as started:
        started.wait_until_it_serves()
        server: Any = started
        status, body = fetch(server, "/conf")
        message = json.loads(body)["message"]
        assert status == 401
        assert "a client needs a token (extra_config.internal_api_server_tokens_file)" in message
        assert "extra_config.internal_api_server_trust_loopback: true" in message
        assert fetch(server, "/readyz")[0] == 200
        assert "worker processes" not in started.text()


def test_servers_do_not_start_with_an_unusable_adapter(tmp_path: Path) -> None:
    with ExitStack() as stack:
        fleet = [
            stack.enter_context(launched(tmp_path / server, server, LMCACHE_INTERNAL_ADAPTER="no_such_module:make"))
            for server in SERVERS
        ]
        for server in fleet:
            assert server.process.wait(START_SECONDS) != 0
            assert "LMCACHE_INTERNAL_ADAPTER='no_such_module:make' is invalid: it cannot be imported" in server.text()


FORK = """
import os, sys, threading
from lmcache_internal import wsgi

app = wsgi.create_app()
parents = app.state.lmcache_adapter
child = os.fork()
if child == 0:
    statuses, managers = set(), set()
    def ask():
        statuses.add(app.test_client().get("/meta").status_code)
        managers.add(app.state.lmcache_adapter)
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = managers - {parents}
    print(*statuses, len(made), flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert app.test_client().get("/meta").status_code == 200
assert app.state.lmcache_adapter is parents
"""


def in_process_of(factory: str, program: str) -> subprocess.CompletedProcess[str]:
    """Run `program` in a new process with the adapter of this factory."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"LMCACHE_INTERNAL_ADAPTER": f"tests.wsgi.factories:{factory}"},
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )


@pytest.mark.parametrize(
    ("factory", "statuses_and_engines", "logged"),
    [("make", "200 1", ""), ("make_in_the_first_process", "500 0", "RuntimeError: not in this process")],
)
def test_forked_child_creates_one_separate_engine(factory: str, statuses_and_engines: str, logged: str) -> None:
    ended = in_process_of(factory, FORK)
    assert (ended.returncode, ended.stdout.strip()) == (0, statuses_and_engines), ended.stderr
    assert logged in ended.stderr


END = """
import os
from lmcache_internal import wsgi

app = wsgi.create_app()
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    print("the child has ended", flush=True)
"""


def test_engine_is_stopped_only_in_its_own_process() -> None:
    ended = in_process_of("Stubborn", END)
    assert (ended.returncode, ended.stdout) == (0, "the child has ended\nstopped\n"), ended.stderr
