"""Start LMCache's MP server, with its own HTTP server or with this one."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Address, Client, get
from benchmarks.servers import Kind, environment
from tests.support import ROOT, free_port

MODULES: dict[Kind, str] = {
    "lmcache": "lmcache.v1.multiprocess.http_server",
    "ours": "lmcache_internal.integrations.lmcache_mp",
}
OPTIONS = ("--l1-size-gb", "1", "--l1-init-size-gb", "1", "--eviction-policy", "LRU")
LMCACHE_OPTIONS = ("--run-script-api-enabled", "--script-allowed-imports", "time")
SETTINGS = """
run_script_api_enabled: true
script_allowed_imports: [time]
extra_config: {internal_api_server_max_scripts: 8}
"""
START_SECONDS = 120.0


@dataclass(frozen=True)
class MPServer:
    """A process of an MP server.

    Attributes:
        address: the address of its HTTP server.
        pid: the process id.
        seconds: the time from the start of the process to the first response.
    """

    address: Address
    pid: int
    seconds: float


@contextlib.contextmanager
def serving_mp(kind: Kind) -> Iterator[MPServer]:
    """Yield an MP server with an empty cache in its own process."""
    with tempfile.TemporaryDirectory() as directory, (Path(directory) / "log").open("w+") as log:
        http = free_port(2)
        settings = Path(directory) / "internal.yaml"
        settings.write_text(SETTINGS)
        own = LMCACHE_OPTIONS if kind == "lmcache" else ("--internal-config", str(settings))
        ports = ("--http-host", "127.0.0.1", "--http-port", str(http), "--port", str(http + 1))
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", MODULES[kind], *OPTIONS, *ports, *own],
            stdout=log,
            stderr=log,
            cwd=ROOT,
            env=environment(),
        )
        try:
            _first_answer(process, ("127.0.0.1", http))
            yield MPServer(("127.0.0.1", http), process.pid, time.perf_counter() - begun)
        except Exception:  # Any failure: print the log, which may contain the reason, and raise again.
            log.seek(0)
            sys.stderr.write(f"The log of {kind} ends with:\n{log.read()[-3000:]}\n")
            raise
        finally:
            process.kill()  # It holds no data that must be saved.
            process.wait()


def _first_answer(process: subprocess.Popen[bytes], address: Address) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(Client(address, get("/healthcheck"))) as client:
            client.send()
            client.finish()
            if client.status == 200:
                return
        time.sleep(0.02)
    raise RuntimeError(f"the MP server does not respond; its exit code is {process.poll()}")
