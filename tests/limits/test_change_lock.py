"""The change lock: one change at a time on an engine; readers and other engines do not wait for it."""

from __future__ import annotations

import gc
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from lmcache_internal import EmbeddedManager, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.limits import change_lock
from lmcache_internal.limits.change_lock import WAIT_SECONDS, change_lock_of
from tests.support import eventually, in_thread, make_manager

PLUGIN = '''
from flask import Blueprint
from lmcache_internal.api import internal_app, operation

router = Blueprint("work", __name__)

@router.post("/change")
@operation(action="change it", exclusive=True)
def change() -> object:
    """Do what the test wants done."""
    return internal_app().state.work()

@router.post("/alter")
@operation(action="alter it", exclusive=True)
def alter() -> object:
    """Another change."""
    return internal_app().state.work()

@router.get("/read")
@operation(action="read it")
def read() -> object:
    """No change."""
    return internal_app().state.work()
'''

MakeApp = Callable[[EmbeddedManager, Callable[[], object]], InternalApp]


class Crowd:
    """Counts how many calls run at once."""

    def __init__(self) -> None:
        self.inside = self.most = self.served = 0
        self._lock = threading.Lock()

    def work(self) -> str:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        time.sleep(0.02)
        with self._lock:
            self.inside -= 1
            self.served += 1
        return "done"


class Gate:
    """Calls that block until `open` is set."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def work(self) -> str:
        self.entered.set()
        self.opened.wait(10)
        return "done"


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()
    assert eventually(lambda: not any(t.name.startswith("call: change it") for t in threading.enumerate()))


@pytest.fixture
def make_app(tmp_path: Path) -> MakeApp:
    (tmp_path / "work_api.py").write_text(PLUGIN)

    def made(manager: EmbeddedManager, work: Callable[[], object]) -> InternalApp:
        app = create_app(manager, [tmp_path])
        app.state.work = work
        return app

    return made


def posting(app: InternalApp, path: str = "/change") -> Callable[[], TestResponse]:
    client = app.test_client()
    return lambda: client.post(path)


def statuses(*requests: Callable[[], TestResponse]) -> list[int]:
    """Return the responses to concurrent requests."""
    made = [in_thread(request) for request in requests]
    for thread, _ in made:
        thread.join()
    return [results[0].status_code for _, results in made]


def test_changes_to_one_engine_never_overlap(manager: EmbeddedManager, make_app: MakeApp) -> None:
    crowd = Crowd()
    app = make_app(manager, crowd.work)
    assert statuses(*[posting(app, path) for path in ("/change", "/alter") * 5]) == [200] * 10
    assert (crowd.most, crowd.served) == (1, 10)


def test_changes_through_two_apps_of_one_engine_never_overlap(manager: EmbeddedManager, make_app: MakeApp) -> None:
    crowd = Crowd()
    apps = [make_app(manager, crowd.work), make_app(manager, crowd.work)]
    assert statuses(*[posting(app) for app in apps * 4]) == [200] * 8
    assert (crowd.most, crowd.served) == (1, 8)


def test_changes_to_two_engines_overlap(manager: EmbeddedManager, make_app: MakeApp) -> None:
    both_inside = threading.Barrier(2, timeout=5)
    with make_manager(worker_id=1) as other:
        apps = [make_app(one, both_inside.wait) for one in (manager, other)]
        assert statuses(*map(posting, apps)) == [200, 200]


def test_readers_overlap(manager: EmbeddedManager, make_app: MakeApp) -> None:
    both_inside = threading.Barrier(2, timeout=5)
    clients = [make_app(manager, both_inside.wait).test_client() for _ in range(2)]
    assert statuses(*[lambda client=client: client.get("/read") for client in clients]) == [200, 200]


def test_readers_answer_while_a_change_runs(manager: EmbeddedManager, make_app: MakeApp, gate: Gate) -> None:
    app = make_app(manager, gate.work)
    thread, results = in_thread(posting(app))
    assert gate.entered.wait(5)
    client = app.test_client()
    started = time.monotonic()
    for path in ("/backends", "/conf", "/freeze/status", "/metrics", "/cache/kvcache/info"):
        assert client.get(path).status_code == 200
    assert time.monotonic() - started < WAIT_SECONDS
    assert results == []
    gate.opened.set()
    thread.join()
    assert results[0].status_code == 200


def test_a_change_that_waits_too_long_is_refused_and_names_the_running_one(
    manager: EmbeddedManager, make_app: MakeApp, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_lock, "WAIT_SECONDS", 0.05)
    app = make_app(manager, gate.work)
    before = datetime.now(timezone.utc).replace(microsecond=0)
    thread, results = in_thread(posting(app))
    assert gate.entered.wait(5)
    client = app.test_client()
    response = client.put("/freeze/enable")
    assert (response.status_code, response.content_type) == (409, "application/json")
    body = response.get_json()
    assert body["error"] == "Busy"
    found = re.fullmatch(
        r"Cannot enable freeze mode now: another request, to change it, has been running since (\S+)", body["message"]
    )
    assert found
    assert before <= datetime.fromisoformat(found[1]) <= datetime.now(timezone.utc)
    assert client.get("/freeze/status").get_json()["freeze"] is False
    gate.opened.set()
    thread.join()
    assert results[0].status_code == 200
    assert client.put("/freeze/enable").status_code == 200


def test_a_change_waits_for_the_one_before_it(manager: EmbeddedManager, make_app: MakeApp, gate: Gate) -> None:
    app = make_app(manager, gate.work)
    first, _ = in_thread(posting(app))
    assert gate.entered.wait(5)
    second, results = in_thread(lambda: app.test_client().put("/freeze/enable"))
    second.join(0.2)
    assert second.is_alive()
    gate.opened.set()
    first.join()
    second.join()
    assert results[0].status_code == 200


def test_bad_arguments_do_not_wait_for_the_lock(manager: EmbeddedManager, make_app: MakeApp, gate: Gate) -> None:
    app = make_app(manager, gate.work)
    thread, _ = in_thread(posting(app))
    assert gate.entered.wait(5)
    started = time.monotonic()
    assert app.test_client().post("/cache/store?tokens_mock=x").status_code == 400
    assert time.monotonic() - started < WAIT_SECONDS
    gate.opened.set()
    thread.join()


def test_a_change_that_fails_releases_the_lock(
    manager: EmbeddedManager, make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_lock, "WAIT_SECONDS", 0.05)
    client = make_app(manager, lambda: 1 // 0).test_client()
    assert [client.post("/change").status_code for _ in range(2)] == [500, 500]


def test_a_stuck_change_is_a_504_and_releases_the_lock(
    make_app: MakeApp, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_lock, "WAIT_SECONDS", 0.05)
    with make_manager(extra_config={"internal_api_server_call_timeout": 0.2}) as manager:
        client = make_app(manager, gate.work).test_client()
        started = time.monotonic()
        response = client.post("/change")
        assert 0.2 <= time.monotonic() - started < 5
        assert (response.status_code, response.get_json()["error"]) == (504, "Timed out")
        assert "The call to change it has been stuck since" in response.get_json()["message"]
        assert not gate.opened.is_set()
        assert client.put("/freeze/enable").status_code == 200
        assert client.get("/backends").status_code == 200
        assert "call: change it (stuck since" in client.get("/threads?name=stuck").text


def test_without_an_engine_a_change_needs_no_lock(tmp_path: Path) -> None:
    (tmp_path / "work_api.py").write_text(PLUGIN)
    app = create_app(None, [tmp_path])
    app.state.work = lambda: "done"
    assert app.test_client().post("/change").get_json() == "done"


class Engine:
    pass


def test_an_engine_has_one_change_lock_that_does_not_keep_it_alive() -> None:
    one, other = Engine(), Engine()
    assert change_lock_of(one) is change_lock_of(one)
    assert change_lock_of(one) is not change_lock_of(other)
    gone = weakref.ref(one)
    del one
    gc.collect()
    assert gone() is None
