"""What the loop answers itself and takes long over: its neighbors, its own client, and the next who asks for it."""

from __future__ import annotations

import gc
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer, watch
from tests.support import connect, eventually, fetch, in_thread, make_manager, server_values

PLUGIN = '''
"""Views that say they answer at once, and do not."""

import threading
import time
from contextlib import nullcontext
from flask import Blueprint
from lmcache_internal.api import internal_app, operation
from lmcache_internal.collector import collector_paused

router = Blueprint("slow", __name__)


@router.get("/blocks")
@operation(doing="block", cheap=True, inline=True)
def blocks(pauses: bool = False) -> str:
    with collector_paused() if pauses else nullcontext():
        internal_app().state.release.wait(20)
    return threading.current_thread().name


@router.get("/dawdles")
@operation(doing="dawdle", cheap=True, inline=True)
def dawdles(seconds: float = 0.0, burns: bool = False) -> str:
    until = time.monotonic() + seconds
    while burns and time.monotonic() < until:
        pass
    time.sleep(max(0.0, until - time.monotonic()))
    return threading.current_thread().name
'''


@pytest.fixture(params=["tcp", "unix"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    (tmp_path / "slow_api.py").write_text(PLUGIN)
    extra = {"internal_api_server_plugin_dirs": [str(tmp_path)]}
    values = server_values(request.param, tmp_path)
    with make_manager(extra_config=extra, **values) as manager, InternalAPIServer(manager) as server:
        release_of(server).set()
        yield server
        release_of(server).set()


def release_of(server: InternalAPIServer) -> threading.Event:
    assert server.app is not None
    if not hasattr(server.app.state, "release"):
        server.app.state.release = threading.Event()
    release: threading.Event = server.app.state.release
    return release


def thread_of(server: InternalAPIServer, path: str) -> str:
    status, body = fetch(server, path)
    assert status == 200, body
    return str(json.loads(body))


def threads() -> int:
    return sum(thread.name.startswith("internal-api-server:") for thread in threading.enumerate())


def test_neighbors_are_answered_by_another_thread(served: InternalAPIServer) -> None:
    before = threads()
    release_of(served).clear()
    waiting, answers = in_thread(lambda: fetch(served, "/blocks"))
    assert fetch(served, "/lmc_version")[0] == 200
    assert not answers
    release_of(served).set()
    waiting.join(10)
    assert answers[0][0] == 200
    assert thread_of(served, "/dawdles").startswith("internal-api-server:")
    assert eventually(lambda: threads() == before)


@pytest.mark.parametrize("ending", [b"Connection: close\r\n", b""])
def test_a_late_answer_is_whole_and_its_connection_is_left_in_order(served: InternalAPIServer, ending: bytes) -> None:
    release_of(served).clear()
    with connect(served) as client:
        client.settimeout(10)
        client.sendall(b"GET /blocks HTTP/1.1\r\nHost: localhost\r\n" + ending + b"\r\n")
        assert fetch(served, "/lmc_version")[0] == 200  # By now, another thread serves.
        if not ending:
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        release_of(served).set()
        received = b"".join(iter(lambda: client.recv(65536), b""))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == (1 if ending else 2)
    assert b'"internal-api-server:' in received


def test_the_garbage_collector_goes_on_where_an_answer_does_not(served: InternalAPIServer) -> None:
    release_of(served).clear()
    waiting, answers = in_thread(lambda: fetch(served, "/blocks?pauses=true"))
    assert fetch(served, "/lmc_version")[0] == 200
    assert eventually(gc.isenabled)
    assert not answers
    release_of(served).set()
    waiting.join(10)
    assert answers[0][0] == 200
    assert gc.isenabled()


@pytest.mark.parametrize(("seconds", "burns"), [(0.12, False), (0.05, True)])
def test_one_that_was_late_is_left_to_the_pool_for_a_while(
    served: InternalAPIServer, monkeypatch: pytest.MonkeyPatch, seconds: float, burns: bool
) -> None:
    assert thread_of(served, "/dawdles").startswith("internal-api-server:")
    monkeypatch.setattr(watch, "REST_SECONDS", 0.3)
    assert thread_of(served, f"/dawdles?seconds={seconds}&burns={burns}").startswith("internal-api-server:")
    assert thread_of(served, "/dawdles").startswith("waitress-")
    assert json.loads(fetch(served, "/lmc_version")[1])  # The others have nothing to do with it.
    assert eventually(lambda: thread_of(served, "/dawdles").startswith("internal-api-server:"))


def test_one_that_blocks_again_and_again_takes_one_thread_of_the_loop(served: InternalAPIServer) -> None:
    before = threads()
    release_of(served).clear()
    waiting = [in_thread(lambda: fetch(served, "/blocks")) for _ in range(5)]
    assert fetch(served, "/lmc_version")[0] == 200
    time.sleep(3 * watch.PATIENCE_SECONDS)
    assert threads() == before + 1
    release_of(served).set()
    for thread, answers in waiting:
        thread.join(10)
        assert answers[0][0] == 200


def test_it_does_not_keep_the_server_from_stopping(served: InternalAPIServer) -> None:
    release_of(served).clear()

    def is_cut_off() -> None:
        with pytest.raises(OSError, match=r"."):
            fetch(served, "/blocks")

    waiting, _ = in_thread(is_cut_off)
    assert fetch(served, "/lmc_version")[0] == 200
    begun = time.monotonic()
    stopping, _ = in_thread(lambda: served.stop(grace=0.2))
    waiting.join(5)
    release_of(served).set()
    stopping.join(5)
    assert not stopping.is_alive()
    assert time.monotonic() - begun < 5
    assert eventually(lambda: threads() == 0)


def naps_of_the_watch() -> int:
    """How often the thread that watches has been woken."""
    (thread,) = [thread for thread in threading.enumerate() if thread.name.endswith(" watch")]
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    return int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def test_who_watches_is_not_woken_while_all_goes_well(served: InternalAPIServer) -> None:
    time.sleep(0.1)
    before = naps_of_the_watch()
    for _ in range(4):
        assert fetch(served, "/lmc_version")[0] == 200
        time.sleep(watch.OFTEN_SECONDS + 0.02)
    time.sleep(watch.PATIENCE_SECONDS)
    assert naps_of_the_watch() == before
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert fetch(served, "/lmc_version")[0] == 200
    assert naps_of_the_watch() - before <= 3  # Once it is over, and where the machine was busy with something else.


def test_one_that_hangs_among_many_is_noticed(served: InternalAPIServer) -> None:
    release_of(served).clear()
    for _ in range(20):
        assert fetch(served, "/lmc_version")[0] == 200
    waiting, answers = in_thread(lambda: fetch(served, "/blocks"))
    assert eventually(lambda: threads() > 2, 1.5)  # The loop, who watches, and who has taken over.
    release_of(served).set()
    waiting.join(10)
    assert answers[0][0] == 200
