"""Slow requests have their own limits, so cheap requests and reads always get a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer
from lmcache_internal.limits.concurrency import LIMITS
from lmcache_internal.settings import MOST_SCRIPTS
from tests.support import eventually, fetch, in_thread, make_manager, run_script, server_values

ENGINE_LANE = LIMITS["engine"]

PLUGIN = '''
from flask import Blueprint
from lmcache_internal.api import internal_app, operation

router = Blueprint("slow", __name__)

@router.get("/slow")
@operation(action="wait")
def slow() -> dict[str, bool]:
    """Wait for the test."""
    return {"released": internal_app().state.release.wait(20)}
'''


@pytest.fixture(params=["tcp", "unix"])
def slow_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InternalAPIServer]:
    (tmp_path / "slow_api.py").write_text(PLUGIN)
    values = server_values(request.param, tmp_path)
    values["extra_config"] = {
        "internal_api_server_plugin_dirs": [str(tmp_path)],
        "internal_api_server_max_scripts": MOST_SCRIPTS,
    }
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        assert server.app is not None
        server.app.state.release = threading.Event()
        yield server
        server.app.state.release.set()


def running(prefix: str) -> int:
    return sum(thread.name.startswith(prefix) for thread in threading.enumerate())


def test_with_all_limits_reached_cheap_requests_are_served_at_once(slow_server: InternalAPIServer) -> None:
    slow = [in_thread(lambda: run_script(slow_server, b"app.state.release.wait(20)")) for _ in range(MOST_SCRIPTS)]
    slow += [in_thread(lambda: fetch(slow_server, "/slow")) for _ in range(ENGINE_LANE + 20)]
    assert eventually(lambda: running("call: wait") == ENGINE_LANE)
    assert eventually(lambda: sum(bool(answers) for _, answers in slow) == 20)  # Those that are refused.
    for path in ("/lmc_version", "/conf", "/meta", "/threads", "/metrics"):
        began = time.perf_counter()
        assert fetch(slow_server, path)[0] == 200, path
        assert time.perf_counter() - began < 10, path
    slow_server.app.state.release.set()  # type: ignore[union-attr]
    statuses = []
    for thread, answers in slow:
        thread.join()
        statuses.append(answers[0][0])
    assert statuses.count(200) == MOST_SCRIPTS + ENGINE_LANE
    assert statuses.count(503) == 20
