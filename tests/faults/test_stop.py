"""Stopping a server: clients that have reset do not delay it, and a failure leaves nothing else open."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from tests.faults.test_connections import GET, HALF_BODY, HALF_HEAD, reset
from tests.faults.unharmed import printed_by, serving
from tests.open_resources import leaves_nothing_open
from tests.support import accepts, connect, free_port, in_thread, make_manager, server_values
from tests.wire import talking

CLIENTS = 8
BURST = 200
STOP_SECONDS = 0.5
"""The bound of most stops, because other processes may delay some. A server that waits for clients waits for 1 s."""
ROUNDS = 3


def get(path: str) -> bytes:
    return GET.replace(b"/lmc_version", path.encode())


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("pause", [0.0, 0.05], ids=["at once", "noticed"])
@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(GET, id="answered"),
        pytest.param(HALF_HEAD, id="half a head"),
        pytest.param(HALF_BODY, id="half a body"),
        pytest.param(b"NONSENSE\r\n\r\n", id="refused"),
        pytest.param(b"NONSENSE\r\n\r\n" + bytes(100_000), id="refused while sending"),
        pytest.param(get("/stream"), id="reading nothing"),
        pytest.param(get("/mib") * 20, id="pipelining"),
    ],
)
def test_clients_that_have_reset_do_not_delay_it(tmp_path: Path, kind: str, pause: float, sent: bytes) -> None:
    found = []
    with serving(tmp_path, kind) as server:
        for _ in range(ROUNDS):
            server.start()
            clients = [connect(server) for _ in range(CLIENTS)]
            for client in clients:
                with contextlib.suppress(ConnectionError):
                    client.sendall(sent)
            time.sleep(0.2)
            for client in clients:
                reset(client)
            time.sleep(pause)
            began = time.monotonic()
            server.stop()
            found.append(round(time.monotonic() - began, 3))
    assert min(found) < STOP_SECONDS, found


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_half_a_head_does_not_delay_it_but_an_upload_is_completed(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path, kind) as server, talking(server) as half, talking(server) as upload:
        half.send(GET + HALF_HEAD)
        assert half.next().status == 200
        upload.send(b"POST /conf HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert upload.next().status == 100
        stopping, _ = in_thread(lambda: server.stop(grace=60))
        assert half.rest() == []
        assert stopping.is_alive()
        upload.send(b"{}")
        assert upload.next().status == 200
        stopping.join(10)
        assert not stopping.is_alive()


def test_a_burst_of_refused_clients_that_have_reset_does_not_delay_it(tmp_path: Path) -> None:
    """Some clients are refused already, but not yet closed when the server stops."""
    found = []
    with serving(tmp_path) as server:
        for milliseconds in range(0, 40, 2):
            server.start()
            clients = [connect(server) for _ in range(BURST)]
            for client in clients:
                client.sendall(b"NONSENSE\r\n\r\n")
            time.sleep(milliseconds / 1000)
            for client in clients:
                reset(client)
            began = time.monotonic()
            server.stop()
            found.append(round(time.monotonic() - began, 3))
    assert sum(seconds > STOP_SECONDS for seconds in found) <= len(found) // 4, found


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_endless_responses_are_ended_after_the_grace_period(tmp_path: Path, kind: str) -> None:
    with serving(tmp_path, kind) as server:
        server.stop()
        with leaves_nothing_open():
            server.start()
            reading = [in_thread(lambda: read_until_cut_off(server)) for _ in range(CLIENTS)]
            time.sleep(0.3)
            began = time.monotonic()
            server.stop(grace=0.3)
            assert time.monotonic() - began < 4  # Without an end of the responses, it waits for 5 s more.
            for thread, received in reading:
                thread.join(60)
                assert received
                assert received[0] > 0


def read_until_cut_off(server: InternalAPIServer) -> int:
    received = 0
    with connect(server) as client, contextlib.suppress(ConnectionError):
        client.sendall(get("/endless"))
        while piece := client.recv(1 << 20):
            received += len(piece)
    return received


def test_if_the_socket_file_cannot_be_read_everything_is_closed(tmp_path: Path) -> None:
    port = free_port()
    values = server_values("unix", tmp_path)
    extra = {"internal_api_server_public_port_start": port - 1}
    with leaves_nothing_open(), make_manager(**values, extra_config=extra) as manager:
        server = InternalAPIServer(manager)
        server.start()
        assert accepts(port)
        (tmp_path / "api").rename(tmp_path / "away")
        (tmp_path / "api").write_text("A directory was here.")
        server.stop()
        assert not accepts(port)
        with pytest.raises(ConnectionRefusedError), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "away" / Path(server.socket_path or "").name))
        (tmp_path / "api").unlink()
        (tmp_path / "away").rename(tmp_path / "api")
        server.start()  # It may start again.
        assert accepts(port)
        server.stop()


FORK_BESIDE_A_BROKEN_ONE = """
import json, os, signal, sys

doomed = []
os.register_at_fork(after_in_child=lambda: [signal.alarm(10), *map(os.close, doomed)])  # Before ours.

from lmcache_internal import InternalAPIServer
from tests.support import make_manager, server_values


def targets():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # The directory itself.
    return found


broken, servers, owned = int(sys.argv[1]), [], []
for _ in range(4):
    manager = make_manager(**server_values("tcp", None))
    server = InternalAPIServer(manager)
    before = targets()
    server.start()
    servers.append(server)
    owned.append(targets().items() - before.items())
doomed += [descriptor for descriptor, _ in owned[broken]]
sockets = {target for number, pairs in enumerate(owned) if number != broken for _, target in pairs
           if target.startswith("socket:")}
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    os.write(writing, json.dumps(sorted(sockets & set(targets().values()))).encode())
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([len(sockets), json.loads(os.read(reading, 65536))]), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize("broken", range(4))
def test_a_fork_closes_the_descriptors_of_all_servers_even_if_one_fails(broken: int) -> None:
    """Another library's fork hook has already closed the descriptors of one server."""
    owned, left = printed_by(FORK_BESIDE_A_BROKEN_ONE, str(broken))
    assert owned >= 3
    assert left == []
