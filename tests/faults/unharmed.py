"""Checks that a fault changes nothing: the engine, the next request, threads, descriptors, memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from lmcache_internal import EmbeddedManager, InternalAPIServer
from lmcache_internal.engine.embedded.kv_buffers import read_slots, write_slots
from tests.open_resources import descriptor_targets, open_descriptors
from tests.support import CHUNK, ROOT, fetch, make_manager, server_values, takes_less

RSS_TOLERANCE = 16 << 20
"""Freed memory returns in whole pages, and each thread has an arena. Real leaks are larger: one response of
/big is 20 MiB, and a leak of 1.6 KiB at each of 10,000 requests is as much."""

BACK_SECONDS = 60.0
"""Seconds until threads have ended and connections are closed."""

PLUGIN = '''
from collections.abc import Iterator
from itertools import repeat

from flask import Blueprint, Response

from lmcache_internal.api import internal_app, operation

router = Blueprint("faults", __name__)
BODY = b"x" * (20 << 20)


def fail(how: str) -> None:
    if how == "exit":
        raise SystemExit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "recurse":
        fail(how)
    if how == "memory":
        raise MemoryError
    raise RuntimeError("raised on purpose")


@router.get("/big")
@operation(action="send much", cheap=True)
def big() -> Response:
    """Twenty MiB at once."""
    return Response(BODY)


@router.get("/mib")
@operation(action="send some", cheap=True)
def mib() -> Response:
    """One MiB at once."""
    return Response(BODY[: 1 << 20])


@router.get("/stream")
@operation(action="send piece by piece", cheap=True)
def stream() -> Response:
    """Twenty MiB in pieces of 64 KiB."""
    return Response(BODY[:65536] for _ in range(320))


@router.get("/endless")
@operation(action="send for ever", cheap=True)
def endless() -> Response:
    """Pieces of 64 KiB without end."""
    return Response(repeat(BODY[:65536]))


@router.get("/wait")
@operation(action="wait")
def wait() -> dict[str, bool]:
    """Wait for the test."""
    return {"released": internal_app().state.release.wait(20)}


@router.get("/fail/operation/<how>")
@operation(action="fail")
def fail_in_operation(how: str) -> None:
    """Fail in a call into the engine."""
    fail(how)


@router.get("/fail/cheap/<how>")
@operation(action="fail", cheap=True)
def fail_in_thread(how: str) -> None:
    """Fail in the request's thread."""
    fail(how)


@router.get("/fail/view/<how>")
def fail_in_view(how: str) -> str:
    """Fail without the gate."""
    fail(how)
    return ""


@router.get("/fail/stream/<how>")
def fail_in_stream(how: str) -> Response:
    """Fail in the middle of the answer."""

    def pieces() -> Iterator[bytes]:
        yield b"x" * 1000
        fail(how)

    return Response(pieces())
'''

with contextlib.suppress(OSError, AttributeError):  # Only glibc has it.
    # Return freed blocks of a MiB to the system (M_MMAP_THRESHOLD). By default, glibc raises the threshold after
    # the first large block and keeps the next ones in an arena of each thread.
    ctypes.CDLL(None).mallopt(-3, 1 << 20)

_starts = count(1_000_000, 100 * CHUNK)


@contextlib.contextmanager
def serving(directory: Path, kind: str = "tcp", **values: Any) -> Iterator[InternalAPIServer]:
    """Yield a server with a worker's engine in this process, and the endpoints above."""
    plugins = directory / "plugins"
    plugins.mkdir(exist_ok=True)
    (plugins / "faults_api.py").write_text(PLUGIN)
    extra = values.pop("extra_config", {}) | {"internal_api_server_plugin_dirs": [str(plugins)]}
    values = server_values(kind, directory) | {"extra_config": extra} | values
    with make_manager(**values) as manager, InternalAPIServer(manager) as server:
        assert server.app is not None
        server.app.state.release = threading.Event()
        try:
            yield server
        finally:
            server.app.state.release.set()


@contextlib.contextmanager
def unharmed(server: InternalAPIServer) -> Iterator[None]:
    """Check `server` and its engine, run the block, and check that nothing has changed."""
    manager = manager_of(server)
    for _ in range(3):  # The second check creates no objects for the first time.
        assert_serves(server)
        assert_stores_and_retrieves(manager)
        fetch(server, "/metrics")  # The first scrape starts the thread of the health checks.
    threads, descriptors, memory = threading.active_count(), open_descriptors(), rss()
    yield
    assert_serves(server)
    assert_stores_and_retrieves(manager)
    until = time.monotonic() + BACK_SECONDS
    while (threading.active_count() > threads or open_descriptors() > descriptors) and time.monotonic() < until:
        time.sleep(0.05)
        assert_serves(server)  # It also wakes the event loop.
    assert threading.active_count() <= threads, [thread.name for thread in threading.enumerate()]
    assert open_descriptors() <= descriptors, descriptor_targets()
    grown = rss() - memory
    assert grown < RSS_TOLERANCE, f"{grown / (1 << 20):.1f} MiB more than before"


def manager_of(server: InternalAPIServer) -> EmbeddedManager:
    """Return the embedded engine that `server` serves."""
    assert server.app is not None
    manager = server.app.state.lmcache_adapter
    assert isinstance(manager, EmbeddedManager)
    return manager


def assert_serves(server: InternalAPIServer) -> None:
    """Check that the next requests are answered, by the event loop and by a thread, each in under a second."""

    def ask(path: str, expected: bytes) -> None:
        status, body = fetch(server, path)
        assert status == 200, body
        assert body.endswith(expected), body

    for path, expected in (("/lmc_version", b'embedded"'), ("/loglevel?logger_name=root", b"root: WARNING")):
        assert takes_less(1, partial(ask, path, expected)), path


def assert_stores_and_retrieves(manager: EmbeddedManager) -> None:
    """Check that the engine returns what it stores, byte by byte; then remove it again."""
    engine = manager.require_engine()
    start = next(_starts)
    tokens = range(start, start + 4 * CHUNK)
    before = read_slots(manager.kv_caches, 0, len(tokens))
    assert engine.store(tokens) == len(tokens)
    write_slots(manager.kv_caches, 0, len(tokens), bytes(len(before)))
    assert engine.retrieve(tokens) == [True] * len(tokens)
    assert read_slots(manager.kv_caches, 0, len(tokens)) == before
    assert engine.clear(["LocalCPUBackend"]) >= len(tokens)


def rss() -> int:
    """Return the resident bytes of this process, without memory that is already free."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # Only glibc has it.
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def python(source: str, *arguments: str) -> subprocess.Popen[str]:
    """Yield a process that runs `source`, with pipes for input and output; the caller ends it, or calls `kill`."""
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(source), *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def printed_by(source: str, *arguments: str, seconds: float = 300) -> Any:
    """Return the output of a process that runs `source`, as JSON; it is killed after that many `seconds`."""
    with python(source, *arguments) as process:
        try:
            return json.loads(process.communicate(timeout=seconds)[0])
        finally:
            process.kill()


@contextlib.contextmanager
def mounted(where: Path, *options: str) -> Iterator[Path]:
    """Mount a file system for the block; without permission to mount, skip the test."""
    mount = subprocess.run(["mount", *options, str(where)], capture_output=True, text=True, check=False)
    if mount.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {mount.stderr.strip()}")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=False)


@contextlib.contextmanager
def tiny_disk(where: Path, kib: int = 64) -> Iterator[Path]:
    """Mount a file system of that many KiB."""
    where.mkdir()
    with mounted(where, "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs") as disk:
        yield disk


def fill(disk: Path) -> Path:
    """Use all free space; delete the file to free it."""
    filler = disk / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(4096))
    return filler
