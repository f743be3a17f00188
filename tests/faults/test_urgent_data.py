"""TCP urgent data: a byte outside the stream neither keeps the event loop busy nor fills the log."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.host import Host, answer_on, hosting
from tests.support import eventually

SECONDS = 0.5
CPU_SECONDS = 0.05
LOG_BYTES = 2000

GET = b"GET /lmc_version HTTP/1.1\r\nHost: localhost\r\n\r\n"
SLOW = GET.replace(b"/lmc_version", b"/slow")
POST = b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"

PLUGIN = '''
import time

from flask import Blueprint

from lmcache_internal.api import operation

router = Blueprint("slow", __name__)


@router.get("/slow")
@operation(action="be slow")
def slow() -> str:
    """Answer in two seconds."""
    time.sleep(2)
    return "done"
'''


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosting(tmp_path_factory.mktemp("urgent"), PLUGIN) as running:
        running.ask("/slow")
        yield running


@contextlib.contextmanager
def resting(host: Host) -> Iterator[None]:
    """Check that the process uses little CPU time and logs little after the block."""
    logged = host.logged()
    yield
    time.sleep(0.1)
    began = host.cpu_seconds()
    time.sleep(SECONDS)
    used = host.cpu_seconds() - began
    assert used < CPU_SECONDS, f"{used:.2f} s of CPU in {SECONDS:g} s"
    assert host.logged() - logged < LOG_BYTES, f"{host.logged() - logged} bytes logged"


def send_urgent(client: socket.socket) -> None:
    client.send(b"!", socket.MSG_OOB)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(b"", GET, id="before the first request"),
        pytest.param(GET[:20], GET[20:], id="within a head"),
        pytest.param(POST[:-1], POST[-1:], id="within a body"),
        pytest.param(SLOW, b"", id="while the request is served"),
    ],
)
def test_an_urgent_byte_does_not_keep_the_event_loop_busy(host: Host, before: bytes, after: bytes) -> None:
    with host.connect() as client:
        client.sendall(before)
        with resting(host):
            send_urgent(client)
        client.sendall(after)
        assert answer_on(client).status == 200


def test_an_urgent_byte_between_two_requests(host: Host) -> None:
    with host.connect() as client:
        client.sendall(GET)
        assert answer_on(client).status == 200
        with resting(host):
            send_urgent(client)
        client.sendall(GET)
        assert answer_on(client).status == 200


@pytest.mark.parametrize("end", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
def test_a_client_that_ends_with_an_urgent_byte_is_closed(host: Host, end: Callable[[socket.socket], None]) -> None:
    descriptors = host.descriptors()
    with host.connect() as client:
        client.sendall(GET)
        assert answer_on(client).status == 200
        with resting(host):
            send_urgent(client)
            end(client)
        assert eventually(lambda: host.descriptors() <= descriptors)


def test_many_clients_that_send_urgent_bytes_repeatedly(host: Host) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(host.connect()) for _ in range(50)]
        with resting(host):
            for _ in range(20):
                for client in clients:
                    send_urgent(client)
        assert host.ask("/lmc_version").status == 200
        for client in clients:
            client.sendall(GET)
            assert answer_on(client).status == 200
