"""The process that is measured: an engine with one of the two servers in it.

    python -m benchmarks.host '{"kind": …, "engine": …, "values": {…}}'

Tells in a line of JSON where it serves; then each line of its input is a method of `Host` with its
arguments, as a JSON list, and is answered by a line with the result. Ends with its input.
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
from lmcache_internal.integrations import lmcache as drop_in
from lmcache_internal.testing.real_engine import make_worker

JOIN_SECONDS = 10.0


class Spinner(threading.Thread):
    """An engine thread that does nothing but run Python."""

    def __init__(self) -> None:
        super().__init__(name="engine", daemon=True)
        self.spinning = True

    def run(self) -> None:
        """Spin."""
        while self.spinning:
            pass


class Host:
    """The engine, its server, and what can be done to them.

    Args:
        kind: whose server.
        engine: "real" for LMCache's worker, "none" for a manager that has a config and nothing else.
        values: of the configuration.
    """

    def __init__(self, kind: str, engine: str, values: dict[str, Any]) -> None:
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
        """Where it serves."""
        return self._server.socket_path or ("127.0.0.1", self._server.port)

    def spin(self) -> None:
        """Let an engine thread spin until `rest`."""
        self._spinner = Spinner()
        self._spinner.start()

    def progress(self) -> tuple[float, float]:
        """The time, and the CPU seconds that the engine thread has had."""
        clock = time.pthread_getcpuclockid(self._spinner.ident or 0)
        return time.perf_counter(), time.clock_gettime(clock)

    def rest(self) -> None:
        """Stop the engine thread."""
        self._spinner.spinning = False
        self._spinner.join()

    def memory(self) -> int:
        """Resident bytes, without garbage."""
        gc.collect()
        return resident_bytes()

    def fill(self, lines: int) -> int:
        """Register metrics until /metrics has at least so many lines; return how many it has."""
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
        """Stop it and start it, so often; each time it answers one request. LMCache's cannot start again: a new one."""
        for _ in range(times):
            self.stop()
            if not self._restarts:
                self._server = self._server_class(self._manager)
            self._server.start()
            first_answer(self.address, "/lmc_version")


def main() -> None:
    """Serve, and do what is asked."""
    options = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # LMCache logs there.
    host = Host(**options)
    first_answer(host.address, "/lmc_version")
    print(json.dumps(host.address), file=answers)
    for line in sys.stdin:
        method, *arguments = json.loads(line)
        print(json.dumps(getattr(host, method)(*arguments)), file=answers)
    os._exit(0)  # Nobody listens any more, and the engine's threads would keep the process.


if __name__ == "__main__":
    try:
        main()
    except Exception:  # Likewise.
        traceback.print_exc()
        os._exit(1)
