"""Helpers for tests that are not fixtures."""

from __future__ import annotations

import gc
import http.client
import os
import random
import re
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lmcache_internal import InternalAPIServer
from lmcache_internal.testing.embedded import SHAPE as SHAPE
from lmcache_internal.testing.embedded import make_manager as make_manager
from lmcache_internal.testing.serving import connect as connect

CHUNK = SHAPE[2]
ROOT = Path(__file__).parent.parent


def free_port(count: int = 1) -> int:
    """Return the first of `count` consecutive TCP ports that are free on loopback.

    They are below the kernel's range for outgoing connections, so that connections of other tests do not take
    them before a server does.
    """
    for first in random.SystemRandom().sample(range(20_000, 32_000), 1000):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise OSError(f"no {count} free ports in a row")


def lmcache_release() -> tuple[int, ...]:
    """Return the release of the installed LMCache, (0, 5, 7) for 0.5.7rc2."""
    return release_of(version("lmcache"))


def examples(number: int) -> int:
    """Return the number of examples of a property test: `number` with `THOROUGH` in the environment, else a fifth."""
    return number if os.environ.get("THOROUGH") else number // 5


def release_of(text: str) -> tuple[int, ...]:
    """Return the numbers of a version, without a pre-release or post-release suffix."""
    return tuple(map(int, re.match(r"\d+(?:\.\d+)*", text)[0].split(".")))  # type: ignore[index]


def server_values(kind: str, directory: Path) -> dict[str, Any]:
    """Return config values for worker 0 to serve on a free port, or on a socket in `directory`."""
    values: dict[str, Any] = {
        "internal_api_server_enabled": True,
        "internal_api_server_port_start": free_port() - 1,
    }
    if kind == "unix":
        values["internal_api_server_socket_path_prefix"] = str(directory / "api" / "socket")
    return values


def fetch(
    server: InternalAPIServer,
    path: str,
    method: str = "GET",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    """Send one request on a new connection; return status and body."""
    client = http.client.HTTPConnection("localhost")
    client.sock = connect(server)
    try:
        client.request(method, path, body, headers or {})
        response = client.getresponse()
        return response.status, response.read()
    finally:
        client.close()


def upload(source: bytes) -> tuple[bytes, dict[str, str]]:
    """Return body and headers of a multipart request with `source` as the file `script`."""
    head = b'--b\r\nContent-Disposition: form-data; name="script"; filename="s.py"\r\n\r\n'
    return head + source + b"\r\n--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def run_script(server: InternalAPIServer, source: bytes) -> tuple[int, bytes]:
    """Run a script over HTTP."""
    body, headers = upload(source)
    return fetch(server, "/run_script", "POST", body, headers)


def run_pytest(
    directory: Path, *arguments: str, path: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run pytest in `directory` with only the library's plugin; `path` precedes other package directories."""
    environ = {
        **os.environ,
        "PYTHONPATH": f"{path}{os.pathsep}{ROOT}",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "lmcache_internal.testing",
        **variables,
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=directory,
        env=environ,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def in_thread(function: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `function` in a thread; return the thread and a list that gets the result."""
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    return thread, results


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    """Whether `condition` becomes true within `seconds`.

    The default is long because a test waits that long only if it fails, and a busy machine may take many times as long
    as an idle one.
    """
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def takes_less(seconds: float, action: Callable[[], object], attempts: int = 5) -> bool:
    """Whether one of several runs takes less than `seconds`: other processes may delay most of them."""
    for _ in range(attempts):
        began = time.monotonic()
        action()
        if time.monotonic() - began < seconds:
            return True
    return False


def allocated_bytes(action: Callable[[], object], attempts: int = 5) -> int:
    """Return how many bytes `action` leaves allocated while its result exists.

    It is the least of several runs, because other threads of the process allocate memory too.
    """
    found = []
    for _ in range(attempts):
        tracemalloc.start()
        try:
            result = action()
            gc.collect()  # This also frees Python's free list of tuples.
            found.append(tracemalloc.get_traced_memory()[0])
            del result
        finally:
            tracemalloc.stop()
    return min(found)


def slowdown() -> float:
    """Return how many times as long as on an idle machine a computation takes now, because of other processes."""
    began, used = time.monotonic(), time.thread_time()
    while (seconds := time.thread_time() - used) < 0.2:
        pass
    return (time.monotonic() - began) / seconds


def accepts(port: int) -> bool:
    """Whether a process listens on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def busy_thread() -> Iterator[None]:
    """Run a thread that runs Python without a pause, as an engine may."""
    stopping: list[bool] = []

    def spin() -> None:
        while not stopping:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        stopping.append(True)
        thread.join()


@contextmanager
def gil_releases() -> Iterator[list[int]]:
    """Run a thread that counts whenever another thread releases the GIL; yield the counter, once it is above 0."""
    counted, stopping = [0], threading.Event()

    def count() -> None:
        while not stopping.is_set():
            counted[0] += 1
            time.sleep(0.0001)  # Release the GIL, so that the other thread can run.

    before = sys.getswitchinterval()
    thread = threading.Thread(target=count)
    sys.setswitchinterval(1000)
    try:
        thread.start()
        while not counted[0]:
            time.sleep(0.001)
        yield counted
    finally:
        stopping.set()
        sys.setswitchinterval(before)
        thread.join()
