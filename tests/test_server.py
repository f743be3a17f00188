"""The lifecycle of a server: start, stop, sockets, and no leaks."""

from __future__ import annotations

import logging
import os
import resource
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.errors import ConfigError, ServerStartError
from lmcache_internal.server import GRACE_SECONDS
from lmcache_internal.serving.connection import Channel
from tests.open_resources import leaves_nothing_open
from tests.support import (
    connect,
    eventually,
    examples,
    fetch,
    in_thread,
    make_manager,
    run_script,
    server_values,
    upload,
)


def idle_client(server: InternalAPIServer) -> socket.socket:
    """A keep-alive connection that has received one response."""
    connection = connect(server)
    connection.sendall(b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b'embedded"'):
        answer += connection.recv(4096)
    return connection


def test_serves_between_start_and_stop(server: InternalAPIServer) -> None:
    assert fetch(server, "/lmc_version")[0] == 200
    server.stop()
    with pytest.raises(OSError, match=r"refused|No such file"):
        fetch(server, "/lmc_version")


def test_construction_binds_nothing_and_the_second_start_fails(tmp_path: Path) -> None:
    values = server_values("tcp", tmp_path)
    with make_manager(**values) as one, make_manager(**values) as two:
        first, second = InternalAPIServer(one), InternalAPIServer(two)
        with first:
            with pytest.raises(ServerStartError, match=f"Port {first.port} on 127.0.0.1 is in use"):
                second.start()
            assert one.lmcache_engine is not None
            assert one.lmcache_engine.is_healthy()
            assert fetch(first, "/lmc_version")[0] == 200
        second.start()
        assert fetch(second, "/lmc_version")[0] == 200
        second.stop()


@pytest.mark.parametrize("role", ["scheduler", "worker"])
def test_port_is_start_plus_index(role: str) -> None:
    with make_manager(role, worker_id=3, internal_api_server_enabled=True) as manager:
        assert InternalAPIServer(manager).port == 6999 + (0 if role == "scheduler" else 4)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "internal_api_server_enabled is false"),
        (
            {"internal_api_server_enabled": True, "internal_api_server_include_index_list": [0, 2]},
            "not in internal_api_server_include_index_list [0, 2]",
        ),
    ],
)
def test_disabled_server_does_nothing_and_says_why(
    values: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    threads = threading.active_count()
    with make_manager(**values) as manager:
        server = InternalAPIServer(manager)
        server.start()
        assert threading.active_count() == threads + 1  # The index of the engine's worker.
        server.stop()
    assert not server.enable
    assert len([record for record in caplog.records if reason in record.getMessage()]) == 1


def test_port_out_of_range_is_one_clear_error() -> None:
    with (
        make_manager(internal_api_server_enabled=True, internal_api_server_port_start=65535) as manager,
        pytest.raises(ConfigError, match=r"65535 \+ index 1 = 65536"),
    ):
        InternalAPIServer(manager)


def test_thread_is_a_named_daemon(server: InternalAPIServer) -> None:
    (thread,) = [t for t in threading.enumerate() if t.name == f"internal-api-server:{server.port}"]
    assert thread.daemon


def test_start_and_stop_may_be_repeated(server: InternalAPIServer) -> None:
    server.start()
    assert fetch(server, "/lmc_version")[0] == 200
    server.stop()
    server.stop()
    server.start()
    assert fetch(server, "/lmc_version")[0] == 200


@pytest.mark.parametrize("idle_clients", [0, 3])
def test_many_cycles_leak_nothing(server: InternalAPIServer, idle_clients: int) -> None:
    server.stop()
    seconds = []
    with leaves_nothing_open():
        for _ in range(examples(50)):
            server.start()
            clients = [idle_client(server) for _ in range(idle_clients)]
            began = time.perf_counter()
            server.stop()
            seconds.append(time.perf_counter() - began)
            for client in clients:
                assert client.recv(1) == b""
                client.close()
    assert median(seconds) < 0.1
    assert max(seconds) < GRACE_SECONDS / 2
    assert not server.socket_path or not Path(server.socket_path).exists()


def test_stop_finishes_the_request_in_flight(server: InternalAPIServer) -> None:
    assert server.app is not None
    release = server.app.state.release = threading.Event()
    thread, answers = in_thread(lambda: run_script(server, b"app.state.release.wait(20)\nresult = 'done'"))
    assert eventually(lambda: any(t.name.startswith("call: <script") for t in threading.enumerate()))
    threading.Timer(0.1, release.set).start()
    server.stop()
    thread.join()
    assert answers == [(200, b"done")]


def test_stop_waits_for_the_request_of_a_client_that_has_left(server: InternalAPIServer) -> None:
    assert server.app is not None
    release = server.app.state.release = threading.Event()
    body, headers = upload(b"app.state.release.wait(60)")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with connect(server) as client:
        client.sendall(
            f"POST /run_script HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{head}\r\n".encode() + body
        )
        assert eventually(lambda: any(t.name.startswith("call: <script") for t in threading.enumerate()))
    stopping, _ = in_thread(lambda: server.stop(grace=60))
    stopping.join(1.5)
    assert stopping.is_alive()
    release.set()
    stopping.join()
    assert not any(t.name.startswith("call: <script") for t in threading.enumerate())


def test_stop_waits_no_longer_than_the_grace_period(server: InternalAPIServer) -> None:
    connection = connect(server)
    connection.sendall(b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    time.sleep(0.1)
    began = time.perf_counter()
    server.stop(grace=0.3)
    assert 0.25 < time.perf_counter() - began < 3.0
    connection.close()


def test_slow_requests_do_not_delay_others(server: InternalAPIServer) -> None:
    release = threading.Event()
    assert server.app is not None
    server.app.state.release = release
    server.app.state.lmcache_adapter.config.extra_config = {"internal_api_server_max_scripts": 8}
    slow = [in_thread(lambda: run_script(server, b"app.state.release.wait(20); result = 'slow'")) for _ in range(8)]
    assert eventually(lambda: sum(t.name.startswith("call: <script") for t in threading.enumerate()) == 8)
    began = time.perf_counter()
    assert fetch(server, "/lmc_version")[0] == 200
    assert time.perf_counter() - began < 10
    release.set()
    for thread, answers in slow:
        thread.join()
        assert answers == [(200, b"slow")]


def test_descriptors_beyond_1024_are_served(server: InternalAPIServer) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2000, hard), hard))
    filler = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        assert fetch(server, "/lmc_version")[0] == 200
        assert fetch(server, "/lmc_version")[0] == 200
    finally:
        for descriptor in filler:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class TestUnixSocket:
    @pytest.fixture
    def unix(self, tmp_path: Path) -> Iterator[InternalAPIServer]:
        with make_manager(**server_values("unix", tmp_path)) as manager:
            yield InternalAPIServer(manager)

    @pytest.fixture
    def path(self, unix: InternalAPIServer) -> Path:
        assert unix.socket_path is not None
        return Path(unix.socket_path)

    def test_directory_and_socket_are_private_whatever_the_umask(self, unix: InternalAPIServer, path: Path) -> None:
        mask = os.umask(0)
        try:
            with unix:
                assert stat.S_IMODE(path.stat().st_mode) == 0o600
                assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        finally:
            os.umask(mask)

    def test_stale_file_is_replaced(self, unix: InternalAPIServer, path: Path) -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        with unix:
            assert fetch(unix, "/lmc_version")[0] == 200

    def test_file_of_a_live_server_is_kept(self, unix: InternalAPIServer, path: Path) -> None:
        path.parent.mkdir()
        with socket.socket(socket.AF_UNIX) as live:
            live.bind(str(path))
            live.listen()
            with pytest.raises(
                ServerStartError, match=f"Process {os.getpid()} of uid {os.geteuid()} listens on the Unix socket"
            ):
                unix.start()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))

    def test_file_that_is_not_a_socket_is_kept(self, unix: InternalAPIServer, path: Path) -> None:
        path.parent.mkdir()
        path.write_text("precious")
        with pytest.raises(ServerStartError, match="is not a socket"):
            unix.start()
        assert path.read_text() == "precious"

    def test_stop_keeps_the_file_of_another_server(self, unix: InternalAPIServer, path: Path) -> None:
        unix.start()
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
            unix.stop()
            assert path.exists()

    def test_path_too_long_is_one_clear_error(self, tmp_path: Path) -> None:
        prefix = str(tmp_path / ("x" * 120))
        values = server_values("unix", tmp_path) | {"internal_api_server_socket_path_prefix": prefix}
        with make_manager(**values) as manager, pytest.raises(ServerStartError, match="107 are allowed"):
            InternalAPIServer(manager).start()

    def test_unusable_directory_is_one_clear_error(self, unix: InternalAPIServer, path: Path) -> None:
        path.parent.write_text("a file where the directory should be")
        with pytest.raises(ServerStartError, match=r"Cannot listen on the Unix socket .*internal_api_server_socket"):
            unix.start()
        path.parent.unlink()
        with unix:
            assert fetch(unix, "/lmc_version")[0] == 200


def test_a_forked_child_keeps_no_socket_although_closing_one_connection_fails(
    server: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, parent = Channel.close, os.getpid()
    failed: list[Channel] = []

    def close_later_ones(channel: Channel) -> None:
        if os.getpid() != parent and not failed:
            failed.append(channel)
            raise OSError("on purpose")
        close(channel)

    monkeypatch.setattr(Channel, "close", close_later_ones)
    with idle_client(server), idle_client(server):
        ours = {channel.socket.fileno() for channel in map_of(server).values() if isinstance(channel, Channel)}
        child = os.fork()
        if not child:
            os._exit(sum(Path(f"/proc/self/fd/{descriptor}").exists() for descriptor in ours))
        assert (len(ours), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])) == (2, 1)


def map_of(server: InternalAPIServer) -> dict[int, Any]:
    """The handlers of the sockets of a server."""
    found: dict[int, Any] = server._listeners[0]._transport._loop
    return found
