"""The objects of a request are freed at its end, not by the garbage collector.

A frame in a reference cycle keeps everything that it and its callers refer to: connections, bodies, buffers, the stacks
of other requests. Until the next full collection they accumulate, spread over the heaps of all threads.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from lmcache_internal import InternalAPIServer
from tests.faults.unharmed import serving
from tests.support import fetch, run_script

pytestmark = pytest.mark.usefixtures("unlogged")

Ask = Callable[[InternalAPIServer], tuple[int, bytes]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InternalAPIServer]:
    with serving(tmp_path_factory.mktemp("garbage")) as running:
        yield running


@contextlib.contextmanager
def left_to_the_collector() -> Iterator[list[str]]:
    """Return the functions whose frames only a garbage collection would have freed."""
    found: list[str] = []
    gc.collect()
    gc.disable()
    try:
        yield found
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        found += [garbage.f_code.co_name for garbage in gc.garbage if isinstance(garbage, FrameType)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda server: fetch(server, "/threads"), id="threads"),
        pytest.param(lambda server: fetch(server, "/threads?samples=3"), id="profile"),
        pytest.param(lambda server: fetch(server, "/nowhere"), id="no endpoint"),
        pytest.param(lambda server: fetch(server, "/conf", "PATCH"), id="no such method"),
        pytest.param(lambda server: fetch(server, "/conf", "POST", b"{"), id="bad body"),
        pytest.param(lambda server: fetch(server, "/fail/operation/raise"), id="failing call"),
        pytest.param(lambda server: fetch(server, "/fail/operation/recurse"), id="recursive call"),
        pytest.param(lambda server: fetch(server, "/fail/cheap/raise"), id="failing operation"),
        pytest.param(lambda server: fetch(server, "/fail/view/raise"), id="failing view"),
        pytest.param(lambda server: run_script(server, b"result = 1"), id="script"),
        pytest.param(lambda server: run_script(server, b"1 / 0"), id="failing script"),
        pytest.param(lambda server: run_script(server, b"def deeper(): deeper()\ndeeper()"), id="recursive script"),
    ],
)
def test_a_request_leaves_no_frames_behind(server: InternalAPIServer, ask: Ask) -> None:
    ask(server)  # Objects that are created only once are created here.
    with left_to_the_collector() as frames:
        for _ in range(3):
            assert ask(server)[1]
    assert frames == []
