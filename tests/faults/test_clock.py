"""The wall clock jumps by hours: no client is disconnected and nothing waits for it.

The tests do not set the system clock, because that would affect the whole machine, and Linux has no namespace for it.
They replace `time.time` in this process, which is the only wall clock that the Python code reads.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.serving import connection
from tests.faults.test_connections import answered
from tests.faults.unharmed import assert_serves, serving, unharmed
from tests.support import connect, eventually, fetch, in_thread

GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"
HOURS = 3600

Jump = Callable[[float], None]


@pytest.fixture
def jump(monkeypatch: pytest.MonkeyPatch) -> Jump:
    true_time = time.time

    def to(offset: float) -> None:
        monkeypatch.setattr(time, "time", lambda: true_time() + offset)

    return to


@pytest.mark.parametrize("hours", [6, -6, 24 * 365])
def test_a_jump_disconnects_no_client(harmed: InternalAPIServer, jump: Jump, hours: int) -> None:
    assert harmed.app is not None
    with contextlib.ExitStack() as stack:
        idle, uploading, reading = (stack.enter_context(connect(harmed)) for _ in range(3))
        assert answered(idle)
        uploading.sendall(b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{")
        reading.sendall(GET.replace(b"/lmc_version", b"/big").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = len(reading.recv(1000))
        thread, answers = in_thread(lambda: fetch(harmed, "/wait"))
        assert eventually(lambda: any(thread.name == "call: wait" for thread in threading.enumerate()))
        jump(hours * HOURS)
        for _ in range(5):
            time.sleep(0.1)
            assert_serves(harmed)
        harmed.app.state.release.set()
        thread.join()
        assert answers[0][0] == 200
        uploading.sendall(b"}")
        assert uploading.recv(4096).startswith(b"HTTP/1.1 200 ")
        received += sum(map(len, iter(lambda: reading.recv(1 << 20), b"")))
        assert received > 20 << 20
        assert answered(idle)
        jump(0)


@pytest.mark.parametrize("hours", [6, -6])
def test_silent_clients_are_closed_in_time_after_a_jump(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: Jump, hours: int
) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.5)
    with serving(tmp_path) as server, unharmed(server), connect(server) as before:
        assert answered(before)
        jump(hours * HOURS)
        with connect(server) as after:
            for client in (before, after):
                client.settimeout(60)
                assert client.recv(1) == b""
        jump(0)


def test_stop_returns_in_time_although_the_clock_is_set_back(tmp_path: Path, jump: Jump) -> None:
    with serving(tmp_path) as server:
        assert server.app is not None
        client = socket.create_connection(("127.0.0.1", server.port))
        client.sendall(GET.replace(b"/lmc_version", b"/wait"))
        assert eventually(lambda: any(thread.name == "call: wait" for thread in threading.enumerate()))
        setting_back = threading.Timer(0.3, jump, [-6 * HOURS])
        setting_back.start()
        began = time.monotonic()
        stopping, _ = in_thread(lambda: server.stop(grace=0.1))
        stopping.join(60)
        in_time = not stopping.is_alive()
        server.app.state.release.set()
        setting_back.join()
        jump(0)
        stopping.join()
        client.close()
        assert in_time, time.monotonic() - began
        server.start()
        assert_serves(server)
