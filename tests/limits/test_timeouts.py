"""call_within: whatever the called code does, the caller gets its thread back."""

from __future__ import annotations

import contextvars
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from lmcache_internal.errors import CallTimedOut
from lmcache_internal.limits.timeouts import call_within
from tests.support import eventually, in_thread

Stick = Callable[..., CallTimedOut]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Ends what waits for it; the test leaves no stuck call behind."""
    event = threading.Event()
    yield event
    event.set()
    assert eventually(lambda: not stuck_threads())


@pytest.fixture
def stick(release: threading.Event) -> Stick:
    """Makes a call that misses its deadline, and returns what the caller got."""

    def made(name: str = "close the backend") -> CallTimedOut:
        with pytest.raises(CallTimedOut) as caught:
            call_within(name, release.wait, 0.02)
        return caught.value

    return made


def stuck_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "stuck" in thread.name]


def since_in(text: str) -> datetime:
    found = re.search(r"since (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00)", text)
    assert found, text
    return datetime.fromisoformat(found[1])


def stuck_calls(client: FlaskClient) -> float:
    found = re.search(r"^lmcache_internal:stuck_calls (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found
    return float(found[1])


def test_what_is_returned_is_returned() -> None:
    answer = object()
    assert call_within("answer", lambda: answer, 5) is answer


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_raised_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        call_within("fail", fail, 5)
    assert caught.value is error


def test_it_runs_in_a_daemon_thread_that_bears_its_name() -> None:
    thread = call_within("look around", threading.current_thread, 5)
    assert (thread.name, thread.daemon) == ("call: look around", True)
    assert not thread.is_alive()


def test_context_variables_reach_it_and_its_own_stay_inside() -> None:
    variable = contextvars.ContextVar("variable", default="nobody's")
    variable.set("the caller's")

    def read_and_set() -> str:
        found = variable.get()
        variable.set("the call's")
        return found

    assert call_within("read", read_and_set, 5) == "the caller's"
    assert variable.get() == "the caller's"


def test_at_the_deadline_the_caller_is_told_what_is_stuck_and_since_when(stick: Stick) -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    started = time.monotonic()
    error = stick("close the backend")
    assert time.monotonic() - started < 1
    assert error.status == 504
    assert str(error).startswith("The call to close the backend has been stuck since ")
    assert "(0.02 s)" in str(error)
    assert before <= since_in(str(error)) <= datetime.now(timezone.utc)


def test_threads_shows_where_it_is_stuck_until_it_returns(
    client: FlaskClient, stick: Stick, release: threading.Event
) -> None:
    since = since_in(str(stick("close the backend"))).isoformat()
    listed = client.get("/threads?name=stuck").text
    assert f"call: close the backend (stuck since {since})" in listed
    assert ", in wait\n" in listed
    assert listed.endswith("Total threads: 1\n")
    release.set()
    assert eventually(lambda: client.get("/threads?name=stuck").text.endswith("Total threads: 0\n"))


def test_metrics_count_it_until_it_returns(client: FlaskClient, stick: Stick, release: threading.Event) -> None:
    assert eventually(lambda: stuck_calls(client) == 0)
    stick("close the backend")
    stick("list the backends")
    assert stuck_calls(client) == 2
    release.set()
    assert eventually(lambda: stuck_calls(client) == 0)


def test_whoever_reads_the_registry_directly_sees_it_return_too(stick: Stick, release: threading.Event) -> None:
    stick()
    assert REGISTRY.get_sample_value("lmcache_internal:stuck_calls") == 1
    release.set()
    assert eventually(lambda: REGISTRY.get_sample_value("lmcache_internal:stuck_calls") == 0)


def test_a_call_that_is_only_slow_is_not_counted(client: FlaskClient, release: threading.Event) -> None:
    thread, results = in_thread(lambda: call_within("be slow", release.wait, 5))
    assert eventually(lambda: any(t.name == "call: be slow" for t in threading.enumerate()))
    assert stuck_calls(client) == 0
    release.set()
    thread.join()
    assert results == [True]


def test_the_fifth_alike_is_refused_at_once_and_not_tried(stick: Stick, release: threading.Event) -> None:
    tried: list[Any] = []
    first = since_in(str(stick("close the backend")))
    for _ in range(3):
        stick("close the backend")
    started = time.monotonic()
    with pytest.raises(CallTimedOut, match="4 calls to close the backend are stuck") as caught:
        call_within("close the backend", lambda: tried.append(1), 5)
    assert time.monotonic() - started < 1
    assert since_in(str(caught.value)) == first
    assert tried == []
    assert len(stuck_threads()) == 4
    # Others are not held up, nor it itself once those have returned.
    assert call_within("list the backends", lambda: "listed", 5) == "listed"
    release.set()
    assert eventually(lambda: not stuck_threads())
    assert call_within("close the backend", lambda: "closed", 5) == "closed"


def test_what_a_stuck_call_raises_in_the_end_harms_nobody(release: threading.Event) -> None:
    def fail_late() -> None:
        release.wait()
        raise SystemExit

    with pytest.raises(CallTimedOut):
        call_within("fail late", fail_late, 0.02)
    release.set()
    assert eventually(lambda: not stuck_threads())
    assert call_within("fail late", lambda: 1, 5) == 1
