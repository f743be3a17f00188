"""GET /threads?samples=: a sampling profile of a running process."""

from __future__ import annotations

import json
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal import InternalAPIServer
from lmcache_internal.app import InternalApp
from lmcache_internal.diagnostics import profiler as sampling
from lmcache_internal.diagnostics.profiler import profile
from lmcache_internal.limits.concurrency import LIMITS
from tests.blueprints.test_threads_api import JSON, listed, sleeping
from tests.support import eventually, fetch, in_thread

FOLDED = re.compile(r"[^;\s][^;\n]*(;[^;\n]+ \([^;\n]+:\d+\))+ [1-9]\d*")


@contextmanager
def working(name: str, work: Callable[[], object]) -> Iterator[threading.Thread]:
    done = threading.Event()

    def again() -> None:
        while not done.is_set():
            work()

    thread = threading.Thread(target=again, name=name)
    thread.start()
    try:
        yield thread
    finally:
        done.set()
        thread.join()


def counts_of(text: str) -> dict[str, int]:
    """Return folded stacks and their counts, as flame graph tools parse them."""
    assert all(FOLDED.fullmatch(line) for line in text.splitlines()), text
    return {stack: int(count) for stack, _, count in (line.rpartition(" ") for line in text.splitlines())}


def test_waiting_thread_has_same_stack_in_every_sample(client: FlaskClient) -> None:
    with sleeping("Sleeper-7", depth=1):
        response = client.get("/threads?name=sleeper&samples=20&interval=0.001")
    assert (response.status_code, response.content_type) == (200, "text/plain; charset=utf-8")
    ((stack, count),) = counts_of(response.text).items()
    assert count == 20
    assert re.fullmatch(r"Sleeper-7;.*;nap \(\S+test_threads_api\.py:\d+\);nap \(\S+:\d+\);wait \(\S+:\d+\);.*", stack)


def slow() -> None:
    until = time.thread_time() + 0.003
    while time.thread_time() < until:
        pass


def quick() -> None:
    until = time.thread_time() + 0.001
    while time.thread_time() < until:
        pass


def test_sample_counts_are_proportional_to_time(client: FlaskClient) -> None:
    def both() -> None:
        slow()
        quick()

    with working("Worker-7", both):
        counts = counts_of(client.get("/threads?name=worker&samples=80&interval=0.005").text)
    slower, quicker = (sum(n for stack, n in counts.items() if f";{name} (" in stack) for name in ("slow", "quick"))
    assert slower > quicker > 0
    assert slower + quicker > 60


def test_json_is_sent_on_request(client: FlaskClient) -> None:
    with sleeping("a;b\nc", "a;b\nc", "other") as (thread, *_):
        body = listed(client, "samples=5&interval=0.02")
        assert (body["samples"], body["interval"]) == (5, 0.02)
        assert 0.08 <= body["seconds"] < 5
        (found,) = [stack for stack in body["stacks"] if stack["thread"] == "a;b\nc"]
        assert found["count"] == 10
        assert found["stack"] == listed(client, f"thread_id={thread.ident}")["threads"][0]["stack"]
        counts = [stack["count"] for stack in body["stacks"]]
        assert counts == sorted(counts, reverse=True)


def test_thread_names_are_escaped_in_folded_stacks(client: FlaskClient) -> None:
    with sleeping("a;b\nc  d 5"):
        (stack,) = counts_of(client.get("/threads?name=a;b&samples=2").text)
    assert stack.startswith("a:b c d 5;_bootstrap (")


def test_the_profiling_thread_is_left_out(client: FlaskClient) -> None:
    with sleeping("Sleeper-7"):
        text = client.get("/threads?samples=3").text
    assert "Sleeper-7;" in text
    assert threading.current_thread().name not in text
    assert "profiler.py" not in text


def test_profile_without_threads_is_empty(client: FlaskClient) -> None:
    response = client.get("/threads?samples=3&name=nobody")
    assert (response.status_code, response.text) == (200, "")


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("samples=0", "Invalid value for samples: Expected `int` >= 1, got '0'"),
        ("samples=1001", "Invalid value for samples: Expected `int` <= 1000, got '1001'"),
        ("samples=x", "Invalid value for samples: expected int, got 'x'"),
        ("samples=5&interval=0", "Invalid value for interval: Expected `float` >= 0.001, got '0'"),
        ("samples=5&interval=1.01", "Invalid value for interval: Expected `float` <= 1.0, got '1.01'"),
        ("samples=5&interval=nan", "Invalid value for interval: Expected `float` >= 0.001, got 'nan'"),
        ("samples=1000&interval=0.031", "1000 samples at intervals of 0.031 s take 31 s; the limit is 30 s"),
        ("interval=0.01", "interval is the time between samples; it requires samples"),
        ("samples=5&group=true", "samples are always grouped by stack; omit group"),
    ],
)
def test_invalid_argument_gets_400_with_value_and_limit(client: FlaskClient, query: str, said: str) -> None:
    response = client.get(f"/threads?{query}")
    assert (response.status_code, response.get_json()) == (400, {"error": "Invalid parameter", "message": said})


def test_second_profile_gets_503_and_other_requests_work(
    server: InternalAPIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread, answers = in_thread(lambda: fetch(server, "/threads?samples=600&interval=0.05"))
    assert eventually(lambda: b"profiler.py" in fetch(server, "/threads")[1])
    status, body = fetch(server, "/threads?samples=2")
    assert status == 503
    assert re.fullmatch(
        r"Cannot take 2 samples of the threads' stacks, 0\.01 s apart now: 1 such request is running: "
        r"take 600 samples of the threads' stacks, 0\.05 s apart \(for \d s\)\. Try again\.",
        json.loads(body)["message"],
    )
    for path in ("/lmc_version", "/conf", "/threads", "/threads?group=1", "/metrics", "/backends", "/livez"):
        began = time.perf_counter()
        assert fetch(server, path)[0] == 200, path
        assert time.perf_counter() - began < 10, path
    assert thread.is_alive()
    monkeypatch.setattr(sampling, "LONGEST_SECONDS", 0)
    thread.join()
    assert answers[0][0] == 200
    assert fetch(server, "/threads?samples=2")[0] == 200


def test_profile_uses_long_limit(app: InternalApp) -> None:
    client = app.test_client()
    with ExitStack() as places:
        for _ in range(LIMITS["long"]):
            places.enter_context(app.limits["long"].hold("load chunks"))
        response = client.get("/threads?samples=2")
        assert response.status_code == 503
        assert "the oldest: load chunks (for 0 s)" in response.get_json()["message"]
        assert client.get("/threads", headers=JSON).status_code == 200
    assert client.get("/threads?samples=2").status_code == 200


def test_expensive_samples_increase_interval() -> None:
    def find() -> list[threading.Thread]:
        until = time.thread_time() + 0.01
        while time.thread_time() < until:
            pass
        return []

    # Four pauses of nine times 10 ms.
    assert profile(find, samples=5, interval=0.001).seconds > 0.36


def test_profile_ends_in_time_with_missing_samples(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "LONGEST_SECONDS", 0.1)
    with sleeping("Sleeper-7"):
        body = listed(client, "name=sleeper&samples=100&interval=0.03")
    assert 1 < body["samples"] < 10
    assert body["stacks"][0]["count"] == body["samples"]


def test_deep_recursion_keeps_innermost_calls(client: FlaskClient) -> None:
    with sleeping("Deep", depth=600):
        stack = listed(client, "name=deep&samples=2&interval=0.001")["stacks"][0]["stack"]
    assert len(stack) == 500
    assert [call["function"] for call in stack[-3:]] == ["nap", "wait", "wait"]


def test_profiler_keeps_no_references_between_samples() -> None:
    class Tensor:
        pass

    refs: list[Any] = []
    begun, finish = threading.Event(), threading.Event()

    def use() -> None:
        tensor = Tensor()
        refs.append(weakref.ref(tensor))
        begun.set()
        finish.wait()

    thread = threading.Thread(target=use)
    thread.start()
    begun.wait()
    alive: list[bool] = []

    def find() -> list[threading.Thread]:
        if alive:
            finish.set()
            thread.join()
        alive.append(refs[0]() is not None)
        return [thread]

    found = profile(find, samples=2, interval=0.001)
    assert alive == [True, False]
    assert [stack.count for stack in found.stacks] == [1]
