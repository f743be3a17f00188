"""From the import to the first answer, and the memory that it takes."""

from __future__ import annotations

import compileall
import json
import subprocess
import sys

from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, environment
from tests.support import ROOT, free_port

STATES = {
    "bare": "in a bare process (LMCache's server brings all of LMCache and torch)",
    "engine": "beside a loaded engine",
    "manager": "where LMCache's manager has loaded fastapi already",
}


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure each figure in a new process; see `newborn.py`."""
    for directory in ("lmcache_internal", "blueprints"):
        compileall.compile_dir(ROOT / directory, quiet=1)  # As pip does; LMCache's server is compiled, too.
    for _ in range(plan.rounds):
        for state, name in STATES.items():
            seconds, grown = _start(kind, state)
            yield [
                Figure(f"time {name}", 1000 * seconds, "ms"),
                Figure(f"memory {name}", grown / 1e6, "MB"),
            ]


def _start(kind: Kind, state: str) -> tuple[float, int]:
    command = [sys.executable, "-m", "benchmarks.newborn", kind, state, str(free_port())]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment())
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    seconds, grown = json.loads(done.stdout.splitlines()[-1])
    return seconds, grown
