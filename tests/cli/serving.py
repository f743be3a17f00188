"""Starts `serve` as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
from click.testing import CliRunner, Result

from lmcache_internal.cli import main
from tests.support import ROOT

TINY = ("--kv-shape", "2,2,16,2,4")
"""A model whose chunks take 256 bytes a layer."""

# httpx gives up after 5 s by default, which is too short on a busy machine.
get = partial(httpx.get, timeout=60.0)
post = partial(httpx.post, timeout=60.0)
put = partial(httpx.put, timeout=60.0)


@contextmanager
def served(*arguments: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process and what it printed until it was ready."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LMCACHE_")} | variables
    command = [sys.executable, "-m", "lmcache_internal.cli", "serve", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=pipe, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        # A test that waits for a line which never comes ends, too.
        watchdog = threading.Timer(600, process.kill)
        watchdog.start()
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Press Ctrl-C"):
                break
        try:
            yield process, lines
        finally:
            watchdog.cancel()
            process.kill()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env={"LMCACHE_CONFIG_FILE": None})


def children(process: int) -> list[int]:
    """The processes that a process has started."""
    return [int(number) for number in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def ports(lines: list[str]) -> list[int]:
    return [int(line.rpartition(":")[2]) for line in lines if " listens on " in line]


def config_file(directory: Path, port: int) -> Path:
    """A configuration for ranks from `port` on."""
    path = directory / "lmcache.yaml"
    path.write_text(f"internal_api_server_enabled: true\ninternal_api_server_port_start: {port}\nchunk_size: 16\n")
    return path
