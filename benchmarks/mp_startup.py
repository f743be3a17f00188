"""MP mode: from the start of the process to the first response."""

from __future__ import annotations

import compileall

from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.mp_servers import serving_mp
from benchmarks.parts import resident_bytes
from benchmarks.servers import Kind
from tests.support import ROOT


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Start LMCache's engine with each server: time, and memory with 1 GiB of L1."""
    for directory in ("lmcache_internal", "blueprints"):
        compileall.compile_dir(ROOT / directory, quiet=1)  # As pip does; LMCache's server is compiled, too.
    for _ in range(plan.rounds):
        with serving_mp(kind) as server:
            yield [
                Figure("time to the first response", 1000 * server.seconds, "ms", "≤ 1.05x"),
                Figure("memory", resident_bytes(server.pid) / 1e6, "MB", "≤ 1.05x"),
            ]
