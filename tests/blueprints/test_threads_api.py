"""GET /threads."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask.testing import FlaskClient

from lmcache_internal.diagnostics.threads import states_of
from tests.support import eventually

JSON = {"Accept": "application/json"}


@contextlib.contextmanager
def sleeping(*names: str, depth: int = 0) -> Iterator[list[threading.Thread]]:
    """Threads with these names that wait in the same function, in `depth` recursive calls."""
    wake = threading.Event()

    def nap(depth: int) -> None:
        if depth:
            nap(depth - 1)
        else:
            wake.wait()

    threads = [threading.Thread(target=nap, args=(depth,), name=name, daemon=True) for name in names]
    for thread in threads:
        thread.start()
    try:
        assert eventually(lambda: all("in wait" in stack_of(thread) for thread in threads))
        yield threads
    finally:
        wake.set()
        for thread in threads:
            thread.join()


def stack_of(thread: threading.Thread) -> str:
    """Return the stack as formatted by Python's traceback module."""
    return "".join(traceback.format_stack(sys._current_frames()[thread.ident or 0]))


@pytest.fixture
def sleeper() -> Iterator[threading.Thread]:
    with sleeping("Sleeper-7") as threads:
        yield threads[0]


def listed(client: FlaskClient, query: str = "") -> Any:
    response = client.get(f"/threads?{query}", headers=JSON)
    assert (response.status_code, response.content_type) == (200, "application/json")
    return response.get_json()


def test_each_thread_has_a_block_with_its_stack(client: FlaskClient, sleeper: threading.Thread) -> None:
    response = client.get("/threads")
    assert response.content_type == "text/plain; charset=utf-8"
    assert f"Thread: {sleeper!r}\nStack trace:\n  File " in response.text
    assert response.text.endswith(f"\n\n=== Thread Summary ===\nTotal threads: {threading.active_count()}\n")


@pytest.mark.parametrize("depth", [0, 3, 40])
def test_text_is_identical_to_python_traceback(client: FlaskClient, depth: int) -> None:
    with sleeping("Sleeper-7", "Sleeper-8", depth=depth) as threads:
        blocks = "\n\n".join(f"Thread: {thread!r}\nStack trace:\n{stack_of(thread)}" for thread in threads)
        expected = f"{blocks}\n\n=== Thread Summary ===\nTotal threads: 2\n"
        assert client.get("/threads?name=sleeper").text == expected
    assert ("[Previous line repeated 37 more times]" in expected) is (depth == 40)


def test_code_without_file_has_no_source_lines(client: FlaskClient) -> None:
    wake = threading.Event()
    namespace: dict[str, Any] = {"wake": wake}
    exec("def nap():\n    wake.wait()", namespace)
    thread = threading.Thread(target=namespace["nap"], name="Scripted")
    thread.start()
    try:
        assert eventually(lambda: "in wait" in stack_of(thread))
        assert f"Stack trace:\n{stack_of(thread)}\n\n===" in client.get("/threads?name=scripted").text
        stack = listed(client, "name=scripted")["threads"][0]["stack"]
        assert {"file": "<string>", "line": 2, "function": "nap", "source": ""} in stack
    finally:
        wake.set()
        thread.join()


def test_json_is_sent_on_request(client: FlaskClient, sleeper: threading.Thread) -> None:
    body = listed(client, "name=sleeper")
    (found,) = body["threads"]
    assert body["total"] == 1
    seconds, stack = found.pop("cpu_seconds"), found.pop("stack")
    assert found == {
        "name": "Sleeper-7",
        "repr": repr(sleeper),
        "ident": sleeper.ident,
        "native_id": sleeper.native_id,
        "daemon": True,
    }
    assert 0 < seconds < 1
    expected = traceback.extract_stack(sys._current_frames()[sleeper.ident or 0])
    assert stack == [
        {"file": call.filename, "line": call.lineno, "function": call.name, "source": call.line} for call in expected
    ]
    assert listed(client)["total"] == threading.active_count()


@pytest.mark.usefixtures("sleeper")
def test_cpu_seconds_are_per_thread(client: FlaskClient) -> None:
    done = threading.Event()

    def work() -> None:
        while not done.is_set():
            sum(range(1000))

    worker = threading.Thread(target=work, name="Worker-7")
    worker.start()
    try:
        idle = listed(client, "name=sleeper")["threads"][0]["cpu_seconds"]
        assert eventually(lambda: listed(client, "name=worker-7")["threads"][0]["cpu_seconds"] > 0.1)
        assert listed(client, "name=sleeper")["threads"][0]["cpu_seconds"] == idle
    finally:
        done.set()
        worker.join()


def test_unstarted_and_ended_threads_have_no_stack_and_cpu_time() -> None:
    unborn, dead = threading.Thread(name="unborn"), threading.Thread(name="dead", target=lambda: None)
    dead.start()
    dead.join()
    assert eventually(
        lambda: not Path(f"/proc/self/task/{dead.native_id}").exists()
    )  # join() returns slightly earlier.
    states = states_of([unborn, dead])
    assert [(state.stack, state.cpu_seconds) for state in states.threads] == [((), None), ((), None)]
    assert str(states).startswith(f"Thread: {unborn!r}\nNo stack trace available\n\n\nThread: {dead!r}\nNo stack")


@pytest.mark.parametrize("query", ["name=sleePER", "thread_id={ident}", "name=sleeper&thread_id={ident}"])
def test_filters_select_one_thread(client: FlaskClient, sleeper: threading.Thread, query: str) -> None:
    text = client.get("/threads?" + query.format(ident=sleeper.ident)).text
    assert "Sleeper-7" in text
    assert text.endswith("Total threads: 1\n")


@pytest.mark.parametrize("query", ["name=nobody", "thread_id=1"])
def test_filters_may_select_no_thread(client: FlaskClient, query: str) -> None:
    assert client.get(f"/threads?{query}").text == "\n\n=== Thread Summary ===\nTotal threads: 0\n"
    assert listed(client, query) == {"total": 0, "threads": []}
    assert listed(client, f"{query}&group=true") == {"total": 0, "groups": []}


@pytest.mark.parametrize(("query", "name"), [("thread_id=abc", "thread_id"), (f"name={'x' * 257}", "name")])
def test_invalid_filter_gets_400_with_parameter(client: FlaskClient, query: str, name: str) -> None:
    response = client.get(f"/threads?{query}")
    assert response.status_code == 400
    assert response.get_json()["message"].startswith(f"Invalid value for {name}: ")


def test_threads_with_same_stack_are_grouped(client: FlaskClient) -> None:
    with sleeping("nap-b", "nap-c", "nap-a"), sleeping("nap-d", depth=1) as (deeper,):
        body = listed(client, "name=nap-&group=true")
        assert [(group["count"], group["names"]) for group in body["groups"]] == [
            (3, ["nap-a", "nap-b", "nap-c"]),
            (1, ["nap-d"]),
        ]
        assert body["total"] == 4
        assert body["groups"][1]["stack"] == listed(client, "name=nap-d")["threads"][0]["stack"]
        text = client.get("/threads?name=nap-&group=true").text
        assert text.startswith("3 threads: nap-a, nap-b, nap-c\nStack trace:\n  File ")
        assert f"\n\n1 thread: nap-d\nStack trace:\n{stack_of(deeper)}\n\n" in text
        assert text.endswith("\n=== Thread Summary ===\nTotal threads: 4\nDifferent stacks: 2\n")
        assert client.get("/threads?name=nap-&group=no").text == client.get("/threads?name=nap-").text


@pytest.mark.parametrize("query", ["", "group=true", "samples=3&interval=0.001"])
def test_garbage_collection_is_paused_during_dump(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, query: str
) -> None:
    seen: list[bool] = []

    def watching() -> dict[int, FrameType]:
        seen.append(gc.isenabled())
        return {}

    monkeypatch.setattr(sys, "_current_frames", watching)
    assert client.get(f"/threads?{query}").status_code == 200
    assert set(seen) == {False}


@pytest.mark.parametrize("query", ["", "group=true", "samples=20&interval=0.001"])
def test_dump_works_while_threads_start_and_end(client: FlaskClient, query: str) -> None:
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            threading.Thread(target=os.getpid, name="Passing").start()

    churning = threading.Thread(target=churn)
    churning.start()
    try:
        for _ in range(10):
            assert "stack" in client.get(f"/threads?{query}", headers=JSON).text
    finally:
        done.set()
        churning.join()


@pytest.mark.parametrize("query", ["group=true", "samples=1", ""])
def test_lone_surrogate_in_name_keeps_json_structure(client: FlaskClient, query: str) -> None:
    with sleeping("lone-\udc80"):
        found = client.get(f"/threads?{query}", headers=JSON).get_json()
    assert isinstance(found, dict)
    assert "lone-\\udc80" in json.dumps(found)
