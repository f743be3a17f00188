"""`call_within`: the caller continues after the timeout, whatever the called code does."""

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
from lmcache_internal.limits import timeouts
from lmcache_internal.limits.timeouts import call_within
from tests.support import eventually, in_thread

Stick = Callable[..., CallTimedOut]


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """An event that ends the blocked calls; the test leaves no stuck call behind."""
    event = threading.Event()
    yield event
    event.set()
    assert eventually(lambda: not stuck_threads())


@pytest.fixture
def stick(release: threading.Event) -> Stick:
    """Make a call that times out, and return the caller's exception."""

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


def test_the_result_is_returned() -> None:
    answer = object()
    assert call_within("answer", lambda: answer, 5) is answer


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_the_exception_is_raised(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        call_within("fail", fail, 5)
    assert caught.value is error


def test_the_call_runs_in_a_daemon_thread_with_its_name() -> None:
    thread = call_within("look around", threading.current_thread, 5)
    assert (thread.name, thread.daemon) == ("call: look around", True)
    assert not thread.is_alive()


def test_the_call_sees_context_variables_and_does_not_change_the_callers() -> None:
    variable = contextvars.ContextVar("variable", default="nobody's")
    variable.set("the caller's")

    def read_and_set() -> str:
        found = variable.get()
        variable.set("the call's")
        return found

    assert call_within("read", read_and_set, 5) == "the caller's"
    assert variable.get() == "the caller's"


def test_the_timeout_names_the_call_and_its_start(stick: Stick) -> None:
    before = datetime.now(timezone.utc).replace(microsecond=0)
    started = time.monotonic()
    error = stick("close the backend")
    assert time.monotonic() - started < 4
    assert error.status == 504
    assert str(error).startswith("The call to close the backend has been stuck since ")
    assert "(0.02 s)" in str(error)
    assert before <= since_in(str(error)) <= datetime.now(timezone.utc)


def test_threads_shows_the_stack_until_the_call_returns(
    client: FlaskClient, stick: Stick, release: threading.Event
) -> None:
    since = since_in(str(stick("close the backend"))).isoformat()
    listed = client.get("/threads?name=stuck").text
    assert f"call: close the backend (stuck since {since})" in listed
    assert ", in wait\n" in listed
    assert listed.endswith("Total threads: 1\n")
    release.set()
    assert eventually(lambda: client.get("/threads?name=stuck").text.endswith("Total threads: 0\n"))


def test_with_more_stuck_calls_than_the_limit_another_is_refused(stick: Stick, monkeypatch: pytest.MonkeyPatch) -> None:
    # Calls that start at the same time may exceed the limit.
    for _ in range(3):
        assert "(0.02 s)" in str(stick("close the backend"))
    monkeypatch.setattr(timeouts, "MAX_STUCK_ALIKE", 2)
    assert str(stick("close the backend")).startswith("3 calls to close the backend are stuck")
    assert "(0.02 s)" in str(stick("list the backends"))


def test_metrics_count_the_call_until_it_returns(client: FlaskClient, stick: Stick, release: threading.Event) -> None:
    assert eventually(lambda: stuck_calls(client) == 0)
    stick("close the backend")
    stick("list the backends")
    assert stuck_calls(client) == 2
    release.set()
    assert eventually(lambda: stuck_calls(client) == 0)


def test_the_registry_itself_counts_the_call_until_it_returns(stick: Stick, release: threading.Event) -> None:
    stick()
    assert REGISTRY.get_sample_value("lmcache_internal:stuck_calls") == 1
    release.set()
    assert eventually(lambda: REGISTRY.get_sample_value("lmcache_internal:stuck_calls") == 0)


def test_a_slow_call_is_not_counted(client: FlaskClient, release: threading.Event) -> None:
    thread, results = in_thread(lambda: call_within("be slow", release.wait, 5))
    assert eventually(lambda: any(t.name == "call: be slow" for t in threading.enumerate()))
    assert stuck_calls(client) == 0
    release.set()
    thread.join()
    assert results == [True]


def test_the_fifth_stuck_call_of_a_name_is_refused_at_once(stick: Stick, release: threading.Event) -> None:
    tried: list[Any] = []
    first = since_in(str(stick("close the backend")))
    for _ in range(3):
        stick("close the backend")
    started = time.monotonic()
    with pytest.raises(CallTimedOut, match="4 calls to close the backend are stuck") as caught:
        call_within("close the backend", lambda: tried.append(1), 5)
    assert time.monotonic() - started < 4
    assert since_in(str(caught.value)) == first
    assert tried == []
    assert len(stuck_threads()) == 4
    # Calls of other names still run, and so do calls of this name after the stuck ones have returned.
    assert call_within("list the backends", lambda: "listed", 5) == "listed"
    release.set()
    assert eventually(lambda: not stuck_threads())
    assert call_within("close the backend", lambda: "closed", 5) == "closed"


def test_the_exception_of_a_stuck_call_is_ignored(release: threading.Event) -> None:
    def fail_late() -> None:
        release.wait()
        raise SystemExit

    with pytest.raises(CallTimedOut):
        call_within("fail late", fail_late, 0.02)
    release.set()
    assert eventually(lambda: not stuck_threads())
    assert call_within("fail late", lambda: 1, 5) == 1
