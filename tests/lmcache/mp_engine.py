"""A process of LMCache's MP server, and a worker that has stored tokens in it."""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.support import ROOT, eventually, free_port

OURS = "lmcache_internal.integrations.lmcache_mp"
"""LMCache's MP server with our HTTP API."""
START_SECONDS = 300
NUM_TOKENS = 512


@dataclass
class Served:
    """A process.

    Attributes:
        process: the process.
        http: its HTTP port.
        rpc: the port of its message queue.
        log: its log file.
    """

    process: subprocess.Popen[bytes]
    http: int
    rpc: int
    log: Path

    def text(self) -> str:
        return self.log.read_text(errors="replace")


@contextlib.contextmanager
def serving(directory: Path, module: str, *options: str, ports: int = 1, search_first: str = "") -> Iterator[Served]:
    """Run `python -m module` with a small L1 and the directory `l2` as L2 until the end; wait until it is healthy.

    Args:
        directory: for `l2` and the log.
        module: what to run.
        options: further options of it.
        ports: how many HTTP ports in a row it has.
        search_first: a directory whose modules win.
    """
    http = free_port(ports + 1)
    rpc, log = http + ports, directory / "log"
    arguments = ["--http-port", str(http), "--port", str(rpc), "--l1-size-gb", "1", "--l1-init-size-gb", "1"]
    arguments += ["--eviction-policy", "LRU", "--l2-adapter", f'{{"type":"fs","base_path":"{directory / "l2"}"}}']
    path = os.pathsep.join(filter(None, [search_first, str(ROOT), os.environ.get("PYTHONPATH", "")]))
    environ = {**os.environ, "PYTHONPATH": path, "LMCACHE_TRACK_USAGE": "false"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, *options], stdout=output, stderr=output, env=environ
        )
    served = Served(process, http, rpc, log)
    try:
        for port in range(http, http + ports):
            _await_health(served, port)
        yield served
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def worker(served: Served) -> Iterator[Any]:
    """LMCache's own benchmark client, registered as one worker (instance 1000, model `test-model`)."""
    from lmcache.cli.commands.bench.server_bench.client import ServerBenchClient
    from lmcache.cli.commands.bench.server_bench.config import BenchConfig

    config = BenchConfig(
        rpc_url=f"tcp://127.0.0.1:{served.rpc}",
        http_url=f"http://127.0.0.1:{served.http}",
        mode="cpu",
        transfer_mode="lmcache_driven",
        tp_size=1,
        use_mla=False,
        num_tokens=NUM_TOKENS,
        kvcache_shape_spec="(2,32,16,2,8):float16:2",
        num_blocks=64,
        block_size=16,
    )
    client = ServerBenchClient(config, lambda _line: None)
    client.start()
    try:
        yield client
    finally:
        client.close()


def store(client: Any, sequence: int = 1) -> list[int]:
    """Store the tokens of a sequence; return them."""
    # Since 0.5.7 the client takes the tokens instead of making them.
    takes_tokens = "token_ids" in inspect.signature(client.create_request).parameters
    tokens = {"token_ids": tuple(range(sequence, sequence + NUM_TOKENS + 1))} if takes_tokens else {}
    request = client.create_request(sequence, f"test-{sequence}", "test", **tokens)
    client.lookup(request)
    client.store(request, 0, request.num_full_tokens)
    (client.release_request if takes_tokens else client.end_session)(request)
    return list(request.token_ids)


def await_l2(served: Served, files: int = 2) -> None:
    """Wait until L2 has that many files, two for each stored sequence. They are written after the response."""
    assert eventually(lambda: len(list((served.log.parent / "l2").glob("*.data"))) >= files)


def fetch(served: Served, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Return the status and the text of a response."""
    request = Request(f"http://127.0.0.1:{served.http}{path}", body, headers, method=method)
    try:
        with urlopen(request, timeout=60) as response:
            return response.status, response.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.read().decode()


def prefetched(served: Served, tokens: list[int]) -> dict[str, Any]:
    """Load tokens from L2 into L1; return the state of the prefetch after at most a minute."""
    body = json.dumps({"model_name": "test-model", "world_size": 1, "token_ids": tokens}).encode()
    status, text = fetch(served, "/cache/prefetches", "POST", body)
    assert status == 202, text
    path = f"/cache/prefetches/{json.loads(text)['request_id']}"
    until = time.monotonic() + 60
    while (state := json.loads(fetch(served, path)[1]))["status"] == "pending" and time.monotonic() < until:
        time.sleep(0.05)
    return dict(state)


def _await_health(served: Served, port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(URLError, OSError), urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=60):
            return
        if served.process.poll() is not None or time.monotonic() > until:
            raise AssertionError(f"it does not serve on port {port}:\n{served.text()[-3000:]}")
        time.sleep(0.2)
