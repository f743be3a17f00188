"""Start and control the measured processes."""

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
    """A process with an engine and one of the two servers; see `host.Host` for its commands.

    Attributes:
        address: the server's address.
        pid: the process id.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        address = self._answer()
        self.address: Address = address if isinstance(address, str) else tuple(address)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the host; return its result."""
        print(json.dumps([method, *arguments]), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> Any:
        line = _pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"the measured process has ended with {self._process.wait(10)}")
        return json.loads(line)


@contextlib.contextmanager
def serving(kind: Kind, engine: Engine = "real", transport: Transport = "tcp", without: str = "") -> Iterator[Server]:
    """Yield a server in its own process.

    Args:
        kind: the kind of server.
        engine: "real" for LMCache's own worker on CPU, "none" if the engine's threads would disturb the measurement.
        transport: the kind of address that it listens on.
        without: the part to take out of this server, see `without.PARTS`; empty for none.
    """
    with tempfile.TemporaryDirectory() as directory, (Path(directory) / "log").open("w+") as log:
        options = {"kind": kind, "engine": engine, "values": _values(transport, directory), "without": without}
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
        except Exception:  # Any failure: print the log, which may contain the reason, and raise again.
            log.seek(0)
            sys.stderr.write(f"The log of {kind} ends with:\n{log.read()[-3000:]}\n")
            raise
        finally:
            process.kill()  # It holds no data that must be saved.
            process.communicate()


def environment() -> dict[str, str]:
    """Return the environment of the measured processes."""
    # Usage tracking would use the network. A fixed hash seed removes one source of variation.
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
