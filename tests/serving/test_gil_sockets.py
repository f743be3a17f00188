"""Sockets that hold the GIL behave like other sockets."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving.gil_sockets import GilSocket, accept, unacknowledged_bytes
from tests.support import eventually, fetch, gil_releases, make_manager, server_values

FAMILIES = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6, "unix": socket.AF_UNIX}
WHERE = {"IPv4": ("127.0.0.1", 0), "IPv6": ("::1", 0)}


@pytest.fixture(params=FAMILIES)
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    family = FAMILIES[request.param]
    with socket.socket(family) as made:
        made.bind(WHERE.get(request.param, str(tmp_path / "socket")))
        made.listen()
        made.setblocking(False)
        yield made


@pytest.fixture
def pair(listening: socket.socket) -> Iterator[tuple[socket.socket, GilSocket]]:
    with socket.socket(listening.family) as client:
        client.connect(listening.getsockname())
        ours, _ = accept(listening, listening.family)
        with ours:
            yield client, ours


def test_accept_returns_the_address_of_the_client(listening: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        accept(listening, listening.family)
    with socket.socket(listening.family) as client:
        client.connect(listening.getsockname())
        ours, address = accept(listening, listening.family)
        with ours:
            assert address == (client.getsockname()[:2] if listening.family != socket.AF_UNIX else None)
            assert (ours.family, ours.type) == (listening.family, socket.SOCK_STREAM)
            assert not os.get_blocking(ours.fileno())
            assert not ours.get_inheritable()


def test_close_frees_the_descriptor_and_disconnects(pair: tuple[socket.socket, GilSocket]) -> None:
    client, ours = pair
    descriptor = ours.fileno()
    ours.close()
    ours.close()
    assert client.recv(1) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_bytes_are_sent_and_received_until_the_end(pair: tuple[socket.socket, GilSocket]) -> None:
    client, ours = pair
    with pytest.raises(BlockingIOError):
        ours.recv(10)
    client.sendall(b"a\0bc")
    assert ours.recv(2) == b"a\0"
    assert ours.recv(10) == b"bc"
    assert ours.send(b"d\0e") == 3
    assert ours.send(memoryview(b"fg")) == 2
    assert client.recv(10) == b"d\0efg"
    client.shutdown(socket.SHUT_WR)
    assert ours.recv(10) == b""


def test_a_full_send_buffer_is_reported(pair: tuple[socket.socket, GilSocket]) -> None:
    client, ours = pair
    data = b"x" * (64 << 20)
    sent = ours.send(data)
    assert 0 < sent < len(data)
    with contextlib.suppress(BlockingIOError):
        while sent < len(data):
            sent += ours.send(data[sent:])
    assert sent < len(data)
    received = 0
    while received < sent:
        received += len(client.recv(1 << 20))
    assert received == sent


def test_a_disconnected_client_is_an_error_and_not_a_signal(pair: tuple[socket.socket, GilSocket]) -> None:
    client, ours = pair
    client.close()
    time.sleep(0.01)
    with contextlib.suppress(OSError):
        ours.send(b"x")  # After a reset, the first send may still succeed.
    with pytest.raises((BrokenPipeError, ConnectionResetError)):
        ours.send(b"x")


def test_a_closed_socket_is_an_error(pair: tuple[socket.socket, GilSocket]) -> None:
    _, ours = pair
    ours.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        ours.recv(1)


def test_no_other_thread_runs_during_a_call(listening: socket.socket, pair: tuple[socket.socket, GilSocket]) -> None:
    _, ours = pair
    with gil_releases() as counted:
        before = counted[0]
        for _ in range(4000):
            # A thread that releases the GIL briefly usually gets it back at once, so this counts over many calls.
            with contextlib.suppress(BlockingIOError):
                ours.recv(1)
            with contextlib.suppress(BlockingIOError):
                ours.send(b"x")
            with contextlib.suppress(BlockingIOError):
                accept(listening, listening.family)
        assert counted[0] == before


@pytest.mark.parametrize(("setting", "kind"), [(True, GilSocket), (False, socket.socket)])
def test_the_setting_switches_it_off(tmp_path: Path, setting: bool, kind: type) -> None:
    values = server_values("tcp", tmp_path) | {"extra_config": {"internal_api_server_keep_gil": setting}}
    with (
        make_manager(**values) as manager,
        InternalAPIServer(manager) as server,
        socket.create_connection(("127.0.0.1", server.port)) as idle,
    ):
        assert fetch(server, "/lmc_version")[0] == 200
        channels = server._listeners[0]._transport._channels()
        assert [type(found.socket) for found in channels if found.addr == idle.getsockname()] == [kind]


def test_unacknowledged_bytes_are_reported(pair: tuple[socket.socket, GilSocket]) -> None:
    client, ours = pair
    assert unacknowledged_bytes(ours.fileno()) == 0
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += ours.send(bytes(65536))
    unread = unacknowledged_bytes(ours.fileno())
    assert unread > 0
    read = 0
    while read < sent:
        read += len(client.recv(1 << 20))
    assert eventually(lambda: unacknowledged_bytes(ours.fileno()) == 0)
    descriptor = ours.fileno()
    ours.close()
    assert unacknowledged_bytes(descriptor) == unacknowledged_bytes(-1) == 0
