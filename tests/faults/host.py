"""A server in its own process, with memory, CPU time, threads and descriptors measured from outside.

    python -m tests.faults.host '{"values": …, "constants": …, "descriptors": …}'

The process prints the port that it serves, and ends when its input ends.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import ROOT, free_port

TIMEOUT_SECONDS = 60.0
DESCRIPTORS = 4096
"""The default limit of open files for the server's process, and the limit that these tests need themselves."""

PUBLIC_OFFSET = 1
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Answer(NamedTuple):
    """A response, and the seconds that it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class Host:
    """A process with a server, as seen from outside.

    Attributes:
        port: the port of the server.
        public_port: the port of its public listener.
    """

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        self.pid = process.pid
        self._log = log
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, log.read_text()[-3000:]
        self.port = int(line)
        self.public_port = self.port + PUBLIC_OFFSET

    def connect(self, receive_buffer: int | None = None, port: int | None = None) -> socket.socket:
        """Return a connection. With a small `receive_buffer`, the kernel accepts few unread bytes."""
        made = socket.socket()
        made.settimeout(TIMEOUT_SECONDS)
        if receive_buffer is not None:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.connect(("127.0.0.1", port or self.port))
        return made

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a new connection; its seconds include the time to connect."""
        began = time.monotonic()
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, TIMEOUT_SECONDS)) as client:
            client.request(method, path, body, dict(headers or {}))
            response = client.getresponse()
            content = response.read()
            return Answer(response.status, dict(response.getheaders()), content, time.monotonic() - began)

    def threads(self) -> int:
        """Return the number of threads."""
        return len(os.listdir(f"/proc/{self.pid}/task"))  # noqa: PTH208  # Only the number counts.

    def descriptors(self) -> int:
        """Return the number of open files and sockets."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))  # noqa: PTH208  # Likewise.

    def cpu_seconds(self) -> float:
        """Return the CPU time used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND

    def logged(self) -> int:
        """Return the size of the log, in bytes."""
        return self._log.stat().st_size

    @contextlib.contextmanager
    def peak_growth(self) -> Iterator[list[float]]:
        """Yield a list; after the block, it holds the peak growth of the resident memory in MiB."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # Reset the peak, see proc_pid_clear_refs(5).
        before = self._kib("VmRSS")
        found: list[float] = []
        yield found
        found.append((self._kib("VmHWM") - before) / 1024)

    def _kib(self, name: str) -> int:
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise LookupError(name)


@contextlib.contextmanager
def hosting(
    directory: Path,
    plugin: str = "",
    constants: Mapping[str, float] | None = None,
    descriptors: int = DESCRIPTORS,
    **extra: Any,
) -> Iterator[Host]:
    """Run a process with a server.

    Args:
        directory: where the log and the plugin are written.
        plugin: the source of an endpoint file.
        constants: values by `module.NAME` that replace those of `lmcache_internal`.
        descriptors: the limit of open files.
        extra: `internal_api_server_*` keys of `extra_config`.
    """
    allow_descriptors()
    port = free_port(1 + PUBLIC_OFFSET)
    if plugin:
        (directory / "faults_api.py").write_text(plugin)
        extra["plugin_dirs"] = [str(directory)]
    extra["public_port_start"] = port + PUBLIC_OFFSET - 1
    values = {
        "internal_api_server_enabled": True,
        "internal_api_server_port_start": port - 1,
        "extra_config": {f"internal_api_server_{name}": value for name, value in extra.items()},
    }
    options = {"values": values, "constants": dict(constants or {}), "descriptors": descriptors}
    log = directory / "log"
    command = [sys.executable, "-m", "tests.faults.host", json.dumps(options)]
    pipe = subprocess.PIPE
    with (
        log.open("w") as stream,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=stream, text=True) as process,
    ):
        try:
            yield Host(process, log)
        finally:
            process.kill()


def allow_descriptors() -> None:
    """Allow this process thousands of connections."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(most, DESCRIPTORS)), most))


def answer_on(connection: socket.socket) -> Answer:
    """Return the response to the one request that was sent on a connection."""
    began = time.monotonic()
    with http.client.HTTPResponse(connection) as response:
        response.begin()
        return Answer(response.status, dict(response.getheaders()), response.read(), time.monotonic() - began)


def main() -> None:
    """Serve until the input ends."""
    from lmcache_internal import InternalAPIServer
    from tests.support import make_manager

    options = json.loads(sys.argv[1])
    for name, value in options["constants"].items():
        module, _, constant = name.rpartition(".")
        setattr(importlib.import_module(f"lmcache_internal.{module}"), constant, value)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (options["descriptors"], most))
    with make_manager(**options["values"]) as manager, InternalAPIServer(manager) as server:
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
