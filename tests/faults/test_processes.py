"""Forks of the engine's process, and processes that compete for the same address."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.unharmed import python
from tests.support import free_port

ROUNDS = 20
SECONDS = 300

PRELUDE = """
import os, signal, socket, sys, threading, time
from pathlib import Path
from lmcache_internal import InternalAPIServer
from lmcache_internal.errors import ServerStartError
from tests.faults.test_connections import answered
from tests.faults.unharmed import assert_serves, assert_stores_and_retrieves
from tests.open_resources import open_descriptors
from tests.support import connect, fetch, make_manager, server_values

"""


def finished(source: str, *arguments: str) -> int:
    """Return the exit status of a process that runs `source`."""
    with python(PRELUDE + source, *arguments) as process:
        try:
            process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return process.returncode


kinds = pytest.mark.parametrize("kind", ["tcp", "unix"])

STOP_IN_CHILD = """
with make_manager(**server_values(sys.argv[1], Path(sys.argv[2]))) as manager, InternalAPIServer(manager) as server:
    uploading, idle = connect(server), connect(server)
    uploading.sendall(b"POST /conf HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 2\\r\\n\\r\\n{")
    assert answered(idle)
    refused = connect(server)
    refused.sendall(b"NONSENSE\\r\\n\\r\\n")
    time.sleep(0.1)
    stopping = threading.Event()
    clients = [threading.Thread(target=lambda: [assert_serves(server) for _ in iter(stopping.is_set, True)])
        for _ in range(3)]
    for client in clients:
        client.start()
    for _ in range(20):
        child = os.fork()
        if child == 0:
            signal.alarm(60)  # A child that hangs is ended by it, and found by its status.
            began = time.monotonic()
            server.stop()
            server.stop()
            os._exit(time.monotonic() - began > 4)  # The drain timeout is 5 s.
        assert os.waitpid(child, 0)[1] == 0
    stopping.set()
    for client in clients:
        client.join()
    uploading.sendall(b"}")
    assert uploading.recv(4096).startswith(b"HTTP/1.1 200 ")
    assert answered(idle)
    assert server.socket_path is None or Path(server.socket_path).is_socket()
    assert_serves(server)
    assert_stores_and_retrieves(manager)
"""


@kinds
def test_stop_in_a_forked_child_does_not_disturb_the_parent(tmp_path: Path, kind: str) -> None:
    assert finished(STOP_IN_CHILD, kind, str(tmp_path)) == 0


LIVING_CHILD = """
with make_manager(**server_values(sys.argv[1], Path(sys.argv[2]))) as manager:
    server = InternalAPIServer(manager)
    server.start()
    idle = connect(server)
    assert answered(idle)
    child = os.fork()
    if child == 0:
        time.sleep(600)
        os._exit(0)
    try:
        assert_serves(server)
        server.stop()
        idle.settimeout(60)
        assert idle.recv(1) == b""  # Closed by all who had it.
        server.start()
        assert_serves(server)
        assert_stores_and_retrieves(manager)
        server.stop()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
"""


@kinds
def test_a_surviving_child_keeps_no_port_and_no_connection(tmp_path: Path, kind: str) -> None:
    assert finished(LIVING_CHILD, kind, str(tmp_path)) == 0


SERVE_IN_CHILD = """
with make_manager(**server_values(sys.argv[1], Path(sys.argv[2]))) as manager, InternalAPIServer(manager) as server:
    assert_serves(server)
    for _ in range(5):
        child = os.fork()
        if child == 0:
            signal.alarm(60)
            try:
                server.start()
            except ServerStartError:
                os._exit(0)
            os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        assert_serves(server)
    assert server.socket_path is None or Path(server.socket_path).is_socket()
"""


@kinds
def test_a_child_cannot_take_the_parents_address(tmp_path: Path, kind: str) -> None:
    assert finished(SERVE_IN_CHILD, kind, str(tmp_path)) == 0


CONTESTANT = """
values = {"internal_api_server_enabled": True, "internal_api_server_port_start": int(sys.argv[1]) - 1}
if sys.argv[2]:
    values["internal_api_server_socket_path_prefix"] = sys.argv[2]
with make_manager(**values) as manager:
    server = InternalAPIServer(manager)
    print("ready", flush=True)
    settled = None
    for line in sys.stdin:
        if line == "start\\n":
            try:
                server.start()
                print("serves", flush=True)
            except ServerStartError as error:
                print(error, flush=True)
        else:
            server.stop(0)
            assert_stores_and_retrieves(manager)
            until = time.monotonic() + 60
            # Threads of the pool may end a little later.
            left = threading.active_count(), open_descriptors()
            while settled and left != settled and time.monotonic() < until:
                time.sleep(0.01)
                left = threading.active_count(), open_descriptors()
            settled = settled or left
            print(f"stopped with {left[0]} threads, {left[1]} descriptors", flush=True)
"""


class Contest:
    """Processes that compete for one address."""

    def __init__(self, directory: Path, kind: str) -> None:
        self.port = free_port()
        prefix = str(directory / "socket") if kind == "unix" else ""
        self.path = Path(f"{prefix}_{self.port}") if prefix else None
        self.processes = [python(PRELUDE + CONTESTANT, str(self.port), prefix) for _ in range(2)]
        for process in self.processes:
            assert answer(process) == "ready"

    def serves(self) -> bool:
        connection: socket.socket | None = None
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(str(self.path))
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as client:
            if connection is not None:
                client.sock = connection
            client.request("GET", "/lmc_version")
            response = client.getresponse()
            response.read()
            return response.status == 200


@pytest.fixture(params=["tcp", "unix"])
def contest(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Contest]:
    made = Contest(tmp_path, request.param)
    yield made
    for process in made.processes:
        process.communicate(timeout=SECONDS)


def tell(process: subprocess.Popen[str], what: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{what}\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def is_the_one_clear_error(text: str, contest: Contest) -> bool:
    if contest.path:
        return f" listens on the Unix socket {contest.path};" in text and text.startswith(
            ("Process ", "Another process ")
        )
    return text.startswith(f"Port {contest.port} on 127.0.0.1 is in use by another process;")


def test_of_two_that_start_at_once_exactly_one_serves(contest: Contest) -> None:
    left = set()
    for _ in range(ROUNDS):
        for process in contest.processes:
            tell(process, "start")
        answers = [answer(process) for process in contest.processes]
        assert answers.count("serves") == 1, answers
        (error,) = (text for text in answers if text != "serves")
        assert is_the_one_clear_error(error, contest), error
        assert contest.path is None or contest.path.is_socket()
        assert contest.serves()
        for process in contest.processes:
            tell(process, "stop")
            left.add(answer(process))
        assert contest.path is None or not contest.path.exists()
    assert len(left) == 1, left  # The number of threads and descriptors is the same in every round.


def test_a_server_that_starts_while_another_stops_is_not_affected(contest: Contest) -> None:
    serving, other = contest.processes
    tell(serving, "start")
    assert answer(serving) == "serves"
    for _ in range(ROUNDS):
        tell(serving, "stop")
        tell(other, "start")
        assert answer(serving).startswith("stopped")
        text = answer(other)
        if text != "serves":
            assert is_the_one_clear_error(text, contest), text
            tell(other, "start")
            assert answer(other) == "serves"
        assert contest.path is None or contest.path.is_socket()
        assert contest.serves()
        serving, other = other, serving


def test_the_address_of_a_killed_process_is_free_at_once(contest: Contest) -> None:
    first, second = contest.processes
    tell(first, "start")
    assert answer(first) == "serves"
    first.kill()
    first.wait()
    assert contest.path is None or contest.path.is_socket()
    tell(second, "start")
    assert answer(second) == "serves"
    assert contest.serves()
