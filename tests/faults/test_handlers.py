"""Handlers and scripts that raise, exit or exhaust the stack: the client gets an error, nothing else is affected."""

from __future__ import annotations

import json
import threading

import pytest

from lmcache_internal import InternalAPIServer
from tests.support import connect, eventually, fetch, in_thread, run_script

ROUNDS = 8


@pytest.mark.parametrize("where", ["operation", "cheap", "view"])
@pytest.mark.parametrize("how", ["raise", "exit", "interrupt", "recurse", "memory"])
def test_a_failing_handler_is_a_500(harmed: InternalAPIServer, where: str, how: str) -> None:
    for _ in range(ROUNDS):
        status, body = fetch(harmed, f"/fail/{where}/{how}")
        assert status == 500
        assert {"error", "message"} == set(json.loads(body))
        assert b"Traceback" not in body


@pytest.mark.parametrize("how", ["raise", "exit", "interrupt", "recurse"])
def test_a_response_that_fails_midway_ends_there(harmed: InternalAPIServer, how: str) -> None:
    for _ in range(ROUNDS):
        with connect(harmed) as client:
            client.sendall(f"GET /fail/stream/{how} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            answer = b"".join(iter(lambda: client.recv(4096), b""))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert not answer.endswith(b"0\r\n\r\n")  # So the client knows that the response is incomplete.


@pytest.mark.parametrize(
    "script",
    [
        b"raise SystemExit(1)",
        b"raise KeyboardInterrupt",
        b"raise GeneratorExit",
        b"def deeper(): deeper()\ndeeper()",
        b"result = []\nfor _ in range(100000): result = [result]",
        b"class Odd:\n  def __str__(self): raise SystemExit(2)\nresult = Odd()",
        b"raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})()",
        b"x = 1 +",
        b"(" * 10000,
        b"app.state.lmcache_adapter.nothing.of.this",
    ],
)
def test_a_failing_script_is_answered(harmed: InternalAPIServer, script: bytes) -> None:
    for _ in range(ROUNDS):
        status, body = run_script(harmed, script)
        assert status in (200, 500)
        assert body


def test_many_that_exit_at_once_lose_no_thread(harmed: InternalAPIServer) -> None:
    failing = [in_thread(lambda: fetch(harmed, "/fail/view/exit")) for _ in range(40)]
    for thread, answers in failing:
        thread.join(60)
        assert answers
        assert answers[0][0] == 500


def test_a_script_that_starts_a_failing_thread_affects_nothing_else(harmed: InternalAPIServer) -> None:
    source = b"""
def die():
    raise SystemExit(1)
import threading
thread = threading.Thread(target=die)
thread.start()
thread.join()
"""
    assert run_script(harmed, source)[0] in (200, 500)  # The configuration decides whether it may import threading.
    assert eventually(lambda: not any(thread.name.startswith("call: <script") for thread in threading.enumerate()))
