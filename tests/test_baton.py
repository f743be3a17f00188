"""Requests of the pool begin one after another, and none waits for another's end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lmcache_internal import InternalAPIServer, baton
from lmcache_internal.baton import Baton
from lmcache_internal.calls import call_within
from lmcache_internal.loop import GAP_SECONDS
from tests.support import eventually, fetch, in_thread, make_manager, server_values


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baton, "PATIENCE_SECONDS", 10.0)


def waiting(one: Baton) -> tuple[threading.Thread, list[bool]]:
    def take() -> bool:
        one.take()
        return True

    return in_thread(take)


@pytest.mark.usefixtures("patient")
def test_the_next_begins_when_it_is_passed_on() -> None:
    one = Baton()
    one.take()
    thread, taken = waiting(one)
    time.sleep(0.05)
    assert not taken
    one.pass_on()
    thread.join(5)
    assert taken


def test_it_is_taken_from_who_blocks_and_he_may_pass_it_on_all_the_same() -> None:
    one = Baton()
    one.take()
    thread, taken = waiting(one)
    thread.join(5)
    assert taken
    one.pass_on()
    one.pass_on()
    last, taken = waiting(one)
    last.join(5)
    assert taken


def test_who_has_none_passes_none_on() -> None:
    one = Baton()
    one.pass_on()
    one.take()
    one.pass_on()
    one.take()


@pytest.mark.usefixtures("patient")
def test_who_waits_for_a_call_has_passed_it_on() -> None:
    baton.baton.take()
    release = threading.Event()

    def call() -> None:
        baton.baton.take()
        call_within("wait", lambda: release.wait(10), 10)

    calling, _ = in_thread(call)
    baton.baton.pass_on()
    assert eventually(lambda: any(thread.name == "call: wait" for thread in threading.enumerate()))
    thread, taken = waiting(baton.baton)
    thread.join(5)
    assert taken
    release.set()
    calling.join(5)


def test_the_loop_goes_first_but_not_for_ever() -> None:
    asked: list[float] = []

    def is_awaited() -> bool:
        asked.append(time.monotonic())
        return len(asked) != 2

    baton.give_way(is_awaited)
    assert len(asked) == 2
    assert asked[1] - asked[0] >= GAP_SECONDS
    baton.give_way(is_awaited)
    assert len(asked) == 2 + baton.GAPS


PLUGIN = '''
"""A view that blocks without saying so."""

import time
from flask import Blueprint

router = Blueprint("blocks", __name__)


@router.get("/blocks")
def blocks():
    time.sleep(1)
    return "done"
'''


@pytest.fixture
def served(tmp_path: Path) -> Iterator[InternalAPIServer]:
    (tmp_path / "blocks_api.py").write_text(PLUGIN)
    extra = {"internal_api_server_plugin_dirs": [str(tmp_path)]}
    with (
        make_manager(extra_config=extra, **server_values("tcp", tmp_path)) as manager,
        InternalAPIServer(manager) as server,
    ):
        yield server


def test_views_that_block_run_side_by_side(served: InternalAPIServer) -> None:
    begun = time.monotonic()
    blocking = [in_thread(lambda: fetch(served, "/blocks")) for _ in range(12)]
    assert fetch(served, "/loglevel")[0] == 200
    assert time.monotonic() - begun < 0.9
    for thread, answers in blocking:
        thread.join(10)
        assert answers[0][0] == 200
    assert time.monotonic() - begun < 3


@pytest.mark.usefixtures("patient")
def test_who_is_done_has_passed_it_on(served: InternalAPIServer) -> None:
    begun = time.monotonic()
    for _ in range(20):
        assert fetch(served, "/nothing")[0] == 404
    assert time.monotonic() - begun < 5
