"""The system cannot start threads: a start fails completely, and a running server continues and reports it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.diagnostics.background_checks import background_checks
from lmcache_internal.errors import ServerStartError
from tests.faults.unharmed import assert_serves, printed_by, serving
from tests.open_resources import leaves_nothing_open
from tests.support import eventually, fetch, free_port, make_manager, run_script, server_values

TOO_MANY = "can't start new thread"
FRESH_SECONDS = 1.1
"""The health check caches its result for a second."""


@contextlib.contextmanager
def no_thread_from(first: float, last: float = float("inf")) -> Iterator[list[int]]:
    """Let the thread starts from `first` to `last` fail in the block, as if the system had no more threads."""
    start, started, lock = threading.Thread.start, [0], threading.Lock()

    def starting(thread: threading.Thread) -> None:
        with lock:
            started[0] += 1
            number = started[0]
        if first <= number <= last:
            raise RuntimeError(TOO_MANY)
        start(thread)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", starting)
        yield started


def made_server(kind: str, directory: Path) -> tuple[Any, InternalAPIServer]:
    values = server_values("unix" if kind == "unix" else "tcp", directory)
    if kind == "both listeners":
        values["extra_config"] = {"internal_api_server_public_port_start": free_port() - 1}
    manager = make_manager(**values)
    return manager, InternalAPIServer(manager)


def assert_can_be_bound(server: InternalAPIServer) -> None:
    if server.socket_path:
        assert not Path(server.socket_path).exists()
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", server.port))
        probe.listen()


def failure_of_start(server: InternalAPIServer) -> str:
    """Return the error message of a start; empty if it succeeds."""
    try:
        server.start()
    except ServerStartError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", ["tcp", "unix", "both listeners"])
@pytest.mark.parametrize("alone", [False, True], ids=["from then on", "one alone"])
def test_a_start_fails_completely_whichever_thread_is_missing(tmp_path: Path, kind: str, alone: bool) -> None:
    manager, server = made_server(kind, tmp_path)
    with manager:
        server.start()  # Objects that are created only once are created here.
        assert_serves(server)
        server.stop()
        for number in count(1):
            with leaves_nothing_open():
                with no_thread_from(number, number if alone else float("inf")) as started:
                    failure = failure_of_start(server)
                if started[0] < number:
                    assert not failure
                    assert_serves(server)
                    server.stop()
                    break
                assert "thread" in failure, f"without thread {number}"
            assert_can_be_bound(server)
        assert number > 1


@pytest.fixture(params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    with serving(tmp_path, request.param, run_script_api_enabled=True) as running:
        assert fetch(running, "/backends")[0] == 200
        assert eventually(lambda: fetch(running, "/readyz")[0] == 200)
        yield running
        assert fetch(running, "/backends")[0] == 200  # Afterwards everything is as before.
        assert run_script(running, b"result = 1") == (200, b"1")
        assert fetch(running, "/cache/clear", "DELETE")[0] == 200


def test_the_liveness_probe_and_cheap_requests_need_no_new_thread(server: InternalAPIServer) -> None:
    with no_thread_from(1) as wanted:
        for _ in range(3):
            for path in ("/livez", "/livez?verbose", "/lmc_version", "/conf", "/threads", "/loglevel"):
                assert fetch(server, path)[0] == 200, path
            time.sleep(FRESH_SECONDS)
        assert fetch(server, "/livez")[0] == 200
    assert wanted[0] == 0


def test_a_scrape_shows_no_old_results_of_health_checks(server: InternalAPIServer) -> None:
    def shows_checks() -> bool:
        status, body = fetch(server, "/metrics")
        assert status == 200
        return b"check_status{" in body

    assert shows_checks()  # The fixture has run them.
    background = background_checks._thread
    assert background is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(background, "is_alive", lambda: False)  # As if it had ended because scrapes were rare.
        with no_thread_from(1) as wanted:
            time.sleep(FRESH_SECONDS)  # Until then, no thread is needed.
            shows_checks()
            assert not shows_checks()
        assert wanted[0] > 0
    assert eventually(shows_checks)


def assert_is_told(status: int, body: bytes) -> None:
    assert status == 503, body
    assert set(json.loads(body)) == {"error", "message"}
    assert "thread" in json.loads(body)["message"]


def test_calls_into_the_engine_are_refused_and_hold_nothing(server: InternalAPIServer) -> None:
    with no_thread_from(1):
        for _ in range(40):  # More than the concurrency limit.
            assert_is_told(*fetch(server, "/backends"))
        for _ in range(3):
            assert_is_told(*fetch(server, "/cache/clear", "DELETE"))  # A change, which must release the change lock.
        for _ in range(10):
            assert_is_told(*run_script(server, b"result = 1"))


def test_the_other_probes_are_answered(server: InternalAPIServer) -> None:
    time.sleep(FRESH_SECONDS)
    with no_thread_from(1):
        for path in ("/readyz", "/healthz", "/readyz/engine"):
            assert fetch(server, path)[0] in (200, 503), path
    assert eventually(lambda: fetch(server, "/readyz")[0] == 200)


def test_no_route_fails(server: InternalAPIServer) -> None:
    assert server.app is not None
    rules = [rule for rule in server.app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments]
    ours = [rule.rule for rule in rules if not rule.endpoint.startswith("faults.")]
    with no_thread_from(1):
        found = {rule: fetch(server, rule)[0] for rule in ours}
    assert len(found) > 20
    assert not [rule for rule, status in found.items() if status == 500], found


def test_requests_wait_for_the_existing_threads(server: InternalAPIServer) -> None:
    with ThreadPoolExecutor(40) as clients:
        everyone = threading.Barrier(40)
        list(clients.map(lambda _: everyone.wait(), range(40)))  # The clients' own threads have started.
        with no_thread_from(1):
            found = list(clients.map(lambda _: fetch(server, "/loglevel?logger_name=root")[0], range(400)))
    assert found == [200] * 400


def test_it_stops_without_a_new_thread(server: InternalAPIServer) -> None:
    began = time.monotonic()
    with no_thread_from(1) as wanted:
        server.stop()
    assert wanted[0] == 0
    assert time.monotonic() - began < 4  # The drain timeout is 5 s.
    server.start()


BY_THE_SYSTEM = """
import json, os, resource, threading, time
from pathlib import Path
from lmcache_internal import InternalAPIServer
from lmcache_internal.errors import ServerStartError
from tests.open_resources import open_descriptors
from tests.support import fetch, make_manager, server_values

def left_over():
    # Threads and descriptors that were not there before, when they have had time to end.
    until = time.monotonic() + 30
    while True:
        left = [max(0, threading.active_count() - threads), max(0, open_descriptors() - descriptors)]
        if left == [0, 0] or time.monotonic() > until:
            return left
        time.sleep(0.05)

def allow(threads):
    resource.setrlimit(resource.RLIMIT_NPROC, (threads, resource.getrlimit(resource.RLIMIT_NPROC)[1]))

with make_manager(**server_values("tcp", Path("/tmp"))) as manager:
    server = InternalAPIServer(manager)
    server.start()
    found = {"first": [fetch(server, path)[0] for path in ("/livez", "/backends", "/readyz", "/metrics", "/nowhere")]}
    server.stop()
    time.sleep(2)
    os.setuid(54321)  # Root may have as many as it likes.
    threads, descriptors = threading.active_count(), open_descriptors()
    found["starts"] = []
    for more in range(30):
        allow(threads + more)
        try:
            server.start()
            break
        except ServerStartError:
            found["starts"].append(left_over())
    allow(1)
    time.sleep(1.1)
    found["without"] = [fetch(server, path)[0] for path in ("/livez", "/lmc_version", "/backends", "/metrics")]
    allow(1000)
    found["with"] = [fetch(server, path)[0] for path in ("/livez", "/lmc_version", "/backends", "/metrics")]
    server.stop()
    found["left"] = left_over()
    print(json.dumps(found), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who has no other process")
def test_the_limit_of_the_system() -> None:
    found = printed_by(BY_THE_SYSTEM)
    assert found["first"] == [200, 200, 200, 200, 404]
    assert len(found["starts"]) >= 1
    assert found["starts"] == [[0, 0]] * len(found["starts"])
    assert found["without"] == [200, 200, 503, 200]
    assert found["with"] == [200] * 4
    assert found["left"] == [0, 0]
