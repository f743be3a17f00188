"""Connections that are idle, slow, half closed, reset, or never read from."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import connection, transport
from tests.faults.unharmed import assert_serves, manager_of, serving, unharmed
from tests.open_resources import open_descriptors
from tests.support import CHUNK, connect, eventually, fetch, in_thread

GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_HEAD = b"GET /lmc_version HTTP/1.1\r\nHost: local"
HALF_BODY = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"


@contextlib.contextmanager
def connections(server: InternalAPIServer, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connect(server)) for _ in range(number)]


def reset(connection: socket.socket) -> None:
    """Close it with a reset, so that the server gets ECONNRESET (on a Unix socket, EPIPE)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def read_all(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def answered(connection: socket.socket) -> bool:
    connection.sendall(GET)
    answer = b""
    while not answer.endswith(b'embedded"'):
        piece = connection.recv(4096)
        if not piece:
            return False
        answer += piece
    return True


def busy_workers() -> int:
    return sum(thread.name.startswith("waitress-") for thread in threading.enumerate())


def test_two_hundred_idle_and_slow_clients_do_not_delay_a_scrape(harmed: InternalAPIServer) -> None:
    workers = busy_workers()
    with connections(harmed, 200) as clients:
        slow = [(client, iter(HALF_HEAD if number % 2 else HALF_BODY)) for number, client in enumerate(clients[100:])]
        times = []
        for _ in range(20):
            for client, letters in slow:
                client.sendall(bytes([next(letters)]))
            began = time.monotonic()
            status, body = fetch(harmed, "/metrics")
            assert (status, b"lmcache_is_healthy" in body) == (200, True)
            times.append(time.monotonic() - began)
        assert median(times) < 1
        assert busy_workers() < workers + 10  # A silent client uses no thread.
        assert all(answered(client) for client in clients[:100])


def test_a_half_closed_client_gets_its_response(harmed: InternalAPIServer) -> None:
    for _ in range(20):
        with connect(harmed) as client:
            client.sendall(GET)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client).endswith(b'embedded"')


def test_half_a_request_from_a_half_closed_client_is_closed(harmed: InternalAPIServer) -> None:
    for half in (b"", HALF_HEAD, HALF_BODY):
        with connect(harmed) as client:
            client.sendall(half)
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b""


@pytest.mark.parametrize("sent", [b"", HALF_HEAD, HALF_BODY, GET])
def test_resets_during_a_request(harmed: InternalAPIServer, sent: bytes) -> None:
    for _ in range(50):
        client = connect(harmed)
        client.sendall(sent)
        reset(client)


@pytest.mark.parametrize("path", ["/big", "/stream"])
def test_clients_that_disconnect_during_a_response(harmed: InternalAPIServer, path: str) -> None:
    for number in range(10):
        client = connect(harmed)
        client.sendall(GET.replace(b"/lmc_version", path.encode()))
        assert client.recv(1000)
        (reset if number % 2 else socket.socket.close)(client)


def test_clients_that_disconnect_while_their_request_is_served(harmed: InternalAPIServer) -> None:
    assert harmed.app is not None
    for _ in range(10):
        client = connect(harmed)
        client.sendall(GET.replace(b"/lmc_version", b"/wait"))
        assert eventually(lambda: any(thread.name == "call: wait" for thread in threading.enumerate()))
        reset(client)
    harmed.app.state.release.set()


@pytest.fixture
def stingy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InternalAPIServer]:
    """Yield a server with a small response buffer, a short stall timeout and few threads."""
    monkeypatch.setattr(transport, "MAX_THREADS", 32)
    monkeypatch.setattr(transport, "HIGH_WATERMARK_BYTES", 256 << 10)
    monkeypatch.setattr(connection, "STALLED_SECONDS", 1.5)
    with serving(tmp_path) as server, unharmed(server):
        yield server


@pytest.mark.parametrize(("path", "number"), [(b"/stream", 1), (b"/mib", 6)])
def test_clients_that_read_nothing_block_no_threads_of_others(
    stingy: InternalAPIServer, path: bytes, number: int
) -> None:
    with contextlib.ExitStack() as stack:
        clients = []
        for _ in range(transport.MAX_THREADS + 10):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", stingy.port))
            client.sendall(GET.replace(b"/lmc_version", path) * number)
            clients.append(client)
        until = time.monotonic() + 0.7
        while time.monotonic() < until:
            assert_serves(stingy)


def test_a_client_that_never_reads_is_closed(stingy: InternalAPIServer) -> None:
    with connect(stingy) as client:
        client.sendall(GET.replace(b"/lmc_version", b"/big"))
        client.recv(1)
        descriptors = open_descriptors()
        assert eventually(lambda: open_descriptors() < descriptors)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while piece := client.recv(1 << 20):
                received += len(piece)
        assert received < 20 << 20


def test_a_client_that_reads_slowly_gets_the_complete_response(stingy: InternalAPIServer) -> None:
    with connect(stingy) as client:
        client.sendall(GET.replace(b"/lmc_version", b"/big").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = 0
        while piece := client.recv(1 << 20):
            received += len(piece)
            time.sleep(0.1 if received < 16 << 20 else 0)
        assert received > 20 << 20


def test_idle_connections_are_closed_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.3)
    with serving(tmp_path) as server, unharmed(server), connections(server, 20) as clients:
        assert all(read_all(client) == b"" for client in clients)


def test_a_refused_client_may_send_for_at_most_two_seconds(harmed: InternalAPIServer) -> None:
    with connect(harmed) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert b" 400 " in read_all(client)
        began = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - began < 60:
                client.sendall(b"x")
                time.sleep(0.1)
                assert_serves(harmed)
        assert 1 < time.monotonic() - began < 60


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_without_descriptors_new_clients_wait_and_the_event_loop_is_idle(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path, local_disk=str(tmp_path / "disk"), max_local_disk_size=0.01) as server, unharmed(server):
        engine = manager_of(server).require_engine()
        tokens = range(8 * CHUNK)
        engine.store(tokens)
        engine.clear(["LocalCPUBackend"])
        with contextlib.ExitStack() as stack:
            old = stack.enter_context(connect(server))
            new = [stack.enter_context(socket.socket()) for _ in range(20)]
            with no_descriptors_left():
                for client in new:
                    client.connect(("127.0.0.1", server.port))
                    client.sendall(GET)
                began = time.process_time()
                time.sleep(1)
                assert time.process_time() - began < 0.3
                assert caplog.text.count("New connections wait") == 1  # Not at each attempt.
                assert answered(old)
                assert engine.retrieve(tokens) == [False] * len(tokens)
            for client in new:
                client.settimeout(60)
                assert client.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert engine.retrieve(tokens) == [True] * len(tokens)  # The chunks are intact.
        engine.clear()


def test_the_event_loop_survives_a_poll_that_fails(harmed: InternalAPIServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with connections(harmed, 40) as clients:
        assert all(answered(client) for client in clients)
        resource.setrlimit(resource.RLIMIT_NOFILE, (20, hard))  # poll() refuses more descriptors than that.
        try:
            clients[0].sendall(GET)
            time.sleep(0.3)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert clients[0].recv(4096)
        assert all(answered(client) for client in clients[1:])


def test_after_a_burst_the_extra_threads_end(harmed: InternalAPIServer) -> None:
    assert harmed.app is not None
    waiting = [in_thread(lambda: fetch(harmed, "/wait")) for _ in range(30)]
    assert eventually(lambda: sum(thread.name == "call: wait" for thread in threading.enumerate()) == 30)
    harmed.app.state.release.set()
    for thread, answers in waiting:
        thread.join()
        assert answers[0][0] == 200
