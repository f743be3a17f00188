"""The garbage collector is paused only in a block, and enabled afterwards if it was enabled before."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lmcache_internal.system.gc_pause import collector_paused
from tests.support import ROOT


@pytest.fixture(autouse=True)
def given_back() -> Iterator[None]:
    assert gc.isenabled()
    yield
    gc.enable()


def test_the_collector_is_paused_only_in_the_block_even_after_an_exception() -> None:
    def fail() -> None:
        with collector_paused():
            assert not gc.isenabled()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert gc.isenabled()


def test_a_disabled_collector_stays_disabled() -> None:
    gc.disable()
    with collector_paused():
        pass
    assert not gc.isenabled()


def test_the_collector_is_paused_until_the_last_of_several_threads_ends_its_block() -> None:
    entered, leave = threading.Event(), threading.Event()

    def pause() -> None:
        with collector_paused():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=pause)
    with collector_paused():
        thread.start()
        assert entered.wait(10)
    assert not gc.isenabled()
    leave.set()
    thread.join(10)
    assert gc.isenabled()


def test_pauses_of_many_threads_at_once_end() -> None:
    def pause() -> None:
        for _ in range(300):
            with collector_paused():
                assert not gc.isenabled()

    threads = [threading.Thread(target=pause) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert gc.isenabled()


FORKING = """
import gc, os, sys, threading
from lmcache_internal.system import gc_pause as collector
from lmcache_internal.system.gc_pause import collector_paused

def stay():
    with {theirs}:
        entered.set()
        threading.Event().wait()

entered = threading.Event()
threading.Thread(target=stay, daemon=True).start()
entered.wait()
{ours}
    child = os.fork()
if child == 0:
    with collector_paused():
        assert not gc.isenabled()
    os._exit(0 if gc.isenabled() else 7)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("collector_paused()", "if True:"),
        ("collector_paused()", "with collector_paused():"),
        ("collector._lock", "if True:"),
    ],
)
def test_a_forked_child_enables_the_collector_whatever_other_threads_did(theirs: str, ours: str) -> None:
    # Python 3.12 warns about a fork with threads.
    environ = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    command = [sys.executable, "-c", FORKING.format(theirs=theirs, ours=ours)]
    assert subprocess.run(command, cwd=ROOT, env=environ, timeout=10, check=False).returncode == 0
