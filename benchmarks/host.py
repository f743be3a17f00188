"""The measured process: an engine with one of the two servers.

    python -m benchmarks.host '{"kind": …, "engine": …, "values": {…}, "without": …}'

It prints its address as a line of JSON. Then each input line is a method of `Host` with its arguments, as a JSON list,
and each output line is a result. It ends when its input ends.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import traceback
from typing import Any

from prometheus_client import REGISTRY, Gauge, generate_latest

from benchmarks.client import Address, first_answer
from benchmarks.parts import manager_without_engine, resident_bytes, server_class
from benchmarks.without import PARTS
from lmcache_internal.integrations import lmcache as drop_in
from lmcache_internal.testing.real_engine import make_worker

JOIN_SECONDS = 10.0


class Spinner(threading.Thread):
    """An engine thread that runs Python without a pause."""

    def __init__(self) -> None:
        super().__init__(name="engine", daemon=True)
        self.spinning = True

    def run(self) -> None:
        """Run until `spinning` is false."""
        while self.spinning:
            pass


class Host:
    """The engine, its server, and the operations on them.

    Args:
        kind: the kind of server.
        engine: "real" for LMCache's worker, "none" for a manager that has only a configuration.
        values: the configuration.
        without: the part of this server to take out, see `without.PARTS`; empty for none.
    """

    def __init__(self, kind: str, engine: str, values: dict[str, Any], without: str) -> None:
        if without:
            PARTS[without]()
        if kind == "ours":
            drop_in.install()
        self._spinner = Spinner()
        self._server_class = server_class(kind)
        self._restarts = kind == "ours"
        if engine == "real":
            self._manager: Any = make_worker(**values)
            self._server: Any = self._manager.api_server
        else:
            self._manager = manager_without_engine(values)
            self._server = self._server_class(self._manager)
            self._server.start()

    @property
    def address(self) -> Address:
        """The address of the server."""
        return self._server.socket_path or ("127.0.0.1", self._server.port)

    def spin(self) -> None:
        """Start an engine thread that runs until `rest`."""
        self._spinner = Spinner()
        self._spinner.start()

    def progress(self) -> tuple[float, float]:
        """Return the time, and the CPU seconds of the engine thread."""
        clock = time.pthread_getcpuclockid(self._spinner.ident or 0)
        return time.perf_counter(), time.clock_gettime(clock)

    def rest(self) -> None:
        """Stop the engine thread."""
        self._spinner.spinning = False
        self._spinner.join()

    def memory(self) -> int:
        """Return the resident bytes after a garbage collection."""
        gc.collect()
        return resident_bytes()

    def fill(self, lines: int) -> int:
        """Register metrics until /metrics has at least `lines` lines; return how many it has."""
        there = generate_latest(REGISTRY).count(b"\n")
        if there < lines:
            gauge = Gauge(f"benchmark_{lines}", "Filler.", ["shard"])
            for shard in range(lines - there - 2):
                gauge.labels(str(shard)).set(shard)
        return generate_latest(REGISTRY).count(b"\n")

    def stop(self) -> float:
        """Stop the server; return the seconds until its last thread has ended."""
        begun = time.perf_counter()
        self._server.stop()
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(JOIN_SECONDS)
        return time.perf_counter() - begun

    def restart(self, times: int) -> None:
        """Stop and start the server `times` times, with one request each; LMCache's server needs a new object."""
        for _ in range(times):
            self.stop()
            if not self._restarts:
                self._server = self._server_class(self._manager)
            self._server.start()
            first_answer(self.address, "/lmc_version")


def main() -> None:
    """Serve, and execute the commands."""
    options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # LMCache logs there.
    host = Host(**options)
    first_answer(host.address, "/lmc_version")
    print(json.dumps(host.address), file=answers)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(host, method)(*arguments)), file=answers)
    os._exit(0)  # The input has ended, and the engine's threads would keep the process alive.


if __name__ == "__main__":
    try:
        main()
    except Exception:  # Any failure: the engine's threads would keep the process alive.
        traceback.print_exc()
        os._exit(1)
