"""Start and steer the processes that are measured."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Literal

from benchmarks.client import Address
from benchmarks.load import warm_up
from tests.support import ROOT, free_port

Kind = Literal["lmcache", "ours"]
KINDS: tuple[Kind, Kind] = ("lmcache", "ours")
Engine = Literal["real", "none"]
Transport = Literal["tcp", "unix"]
TRANSPORTS: tuple[Transport, Transport] = ("tcp", "unix")


class Server:
    """A process with an engine, and one of the two servers in it; see `host.Host` for what it can do.

    Attributes:
        address: where the server listens.
        pid: of the process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        address = self._answer()
        self.address: Address = address if isinstance(address, str) else tuple(address)

    def call(self, method: str, *arguments: Any) -> Any:
        """Have the host do something; return its result."""
        print(json.dumps([method, *arguments]), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"the measured process has ended with {self._process.wait(10)}")
        return json.loads(line)


@contextlib.contextmanager
def serving(kind: Kind, engine: Engine = "real", transport: Transport = "tcp") -> Iterator[Server]:
    """A server in a process of its own.

    Args:
        kind: whose.
        engine: "real" for LMCache's own worker on CPU, "none" where the engine's threads would be in the way.
        transport: where it listens.
    """
    with tempfile.TemporaryDirectory() as directory, (Path(directory) / "log").open("w+") as log:
        options = {"kind": kind, "engine": engine, "values": _values(transport, directory)}
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.host", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        try:
            server = Server(process)
            warm_up(server.address)
            yield server
        except Exception:  # Whatever failed, its reason may stand in the log; it goes on.
            log.seek(0)
            sys.stderr.write(f"The log of {kind} ends with:\n{log.read()[-3000:]}\n")
            raise
        finally:
            process.kill()  # There is nothing in it that somebody would miss.
            process.communicate()


def environment() -> dict[str, str]:
    """The environment of what is measured."""
    # Usage tracking would ask the network, and the order of sets is one thing less that differs.
    return os.environ | {"LMCACHE_TRACK_USAGE": "false", "PYTHONHASHSEED": "0", "PYTHONPATH": str(ROOT)}


def _values(transport: Transport, directory: str) -> dict[str, Any]:
    values: dict[str, Any] = {
        "internal_api_server_enabled": True,
        "internal_api_server_port_start": free_port(2),
        "run_script_api_enabled": True,
        "script_allowed_imports": ["time"],
        "extra_config": {"internal_api_server_max_scripts": 8},
    }
    if transport == "unix":
        values["internal_api_server_socket_path_prefix"] = f"{directory}/api/socket"
    return values


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
