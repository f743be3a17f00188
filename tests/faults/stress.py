"""`python -m tests.faults.stress 300 7`: random clients for 300 seconds from the seed 7; prints each disagreement."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from lmcache_internal import InternalAPIServer
from tests.faults.concurrent_clients import run, serving, switching
from tests.open_resources import open_descriptors
from tests.support import busy_thread


def main(seconds: float, seed: int) -> int:
    """Run for `seconds`, from `seed`; return the exit status."""
    until, failed = time.monotonic() + seconds, 0
    logging.basicConfig(level=logging.ERROR, stream=sys.stdout)
    logging.getLogger("lmcache_internal.audit").setLevel(logging.CRITICAL)
    while time.monotonic() < until:
        chance = random.Random(seed)
        kind, is_busy, interval = (
            chance.choice(["tcp", "tcp", "unix"]),
            chance.random() < 0.4,
            chance.choice([1e-6, 5e-3]),
        )
        with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
            server = stack.enter_context(serving(Path(directory), kind))
            descriptors = open_descriptors()
            with switching(interval), busy_thread() if is_busy else contextlib.nullcontext():
                began = time.monotonic()
                answered, found = run(server, str(seed), 4 if is_busy else 30)
            took = time.monotonic() - began
            left = _left(server, descriptors)
            print(
                f"seed {seed}: {kind}, busy {is_busy}, switch {interval:g}: {answered} in {took:.1f} s; {left}",
                flush=True,
            )
            for line in found:
                print("   ", line, flush=True)
            failed += len(found) + ("nothing left" not in left)
        seed += 1
    return 1 if failed else 0


def _left(server: InternalAPIServer, descriptors: int) -> str:
    """Describe the connections and descriptors that remain, and the CPU time that the idle server uses."""
    transport = server._listeners[0]._transport
    until = time.monotonic() + 10
    while (transport.connections or open_descriptors() > descriptors) and time.monotonic() < until:
        time.sleep(0.05)
    more = open_descriptors() - descriptors
    if transport.connections or more > 0:
        return (
            f"{transport.connections} connections, {more} descriptors, {transport.busy} busy, {transport.queued} queued"
        )
    used = time.process_time()
    time.sleep(0.3)
    used = time.process_time() - used
    return f"idle uses {used:.3f} s of 0.3" if used > 0.1 else "nothing left"


if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
