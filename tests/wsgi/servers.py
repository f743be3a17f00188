"""Other WSGI servers as processes that serve `lmcache_internal.wsgi`."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lmcache_internal.settings.address import Address
from tests.security.support import prefixed
from tests.support import ROOT, accepts, eventually, free_port

APP = "lmcache_internal.wsgi"
SERVERS = ("gunicorn", "gunicorn gthread", "waitress-serve", "flask run")
START_SECONDS = 180


@dataclass
class Running:
    """A server process, with the address that `tests.support.fetch` needs."""

    process: subprocess.Popen[bytes]
    address: Address
    log: Path

    @property
    def port(self) -> int:
        return self.address.port

    @property
    def socket_path(self) -> str | None:
        return self.address.socket_path

    def accepts(self) -> bool:
        if not self.socket_path:
            return accepts(self.port)
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket_path) == 0

    def wait_until_it_serves(self) -> None:
        # If it does not start, the failure shows its log.
        assert eventually(lambda: self.accepts() or self.process.poll() is not None, START_SECONDS), self.text()
        assert self.process.poll() is None, self.text()

    def end(self, seconds: float = 120) -> int:
        """Send SIGINT, as Ctrl-C does; return the exit status within `seconds`."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)

    def text(self) -> str:
        return self.log.read_text()


def command(server: str, port: int, socket_path: str | None, options: Sequence[str]) -> list[str]:
    """Return the command line of a server on the port or on the socket."""
    address = f"unix:{socket_path}" if socket_path else f"127.0.0.1:{port}"
    if server.startswith("gunicorn"):
        threads = ["--threads=8"] if server.endswith("gthread") else []
        return ["gunicorn", f"{APP}:create_app()", f"--bind={address}", *threads, *options]
    if server == "waitress-serve":
        listen = f"--unix-socket={socket_path}" if socket_path else f"--listen={address}"
        return ["waitress", listen, *options, "--call", f"{APP}:create_app"]
    listen = f"--host=unix://{socket_path}" if socket_path else f"--port={port}"
    return ["flask", f"--app={APP}", "run", listen, *options]


@contextlib.contextmanager
def launched(directory: Path, server: str, kind: str = "tcp", *options: str, **environ: str) -> Iterator[Running]:
    """Run a server in `directory`. `environ` are its only LMCache variables."""
    directory.mkdir(exist_ok=True)
    port = free_port()
    socket_path = str(directory / "socket") if kind == "unix" else None
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("LMCACHE_")}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            # A test run in the background may ignore SIGINT, and its children inherit that.
            ["env", "--default-signal=INT", sys.executable, "-m", *command(server, port, socket_path, options)],
            cwd=directory,
            env=inherited | {"HOME": str(directory), "PYTHONPATH": str(ROOT)} | environ,
            stdout=log,
            stderr=log,
        )
    try:
        yield Running(process, Address(1, "127.0.0.1", port, socket_path), directory / "log")
    finally:
        process.terminate()  # SIGKILL would leave gunicorn's workers running for some time.
        process.wait(120)


def config_file(directory: Path, extra: dict[str, Any] | None = None, **values: Any) -> str:
    """Write a YAML file for the embedded engine; `extra` are `internal_api_server_*` keys of `extra_config`."""
    path = directory / "lmcache.yaml"
    path.write_text(yaml.safe_dump({"chunk_size": 16, "extra_config": prefixed(extra or {}), **values}))
    return str(path)
