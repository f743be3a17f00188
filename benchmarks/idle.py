"""CPU time and wake-ups of an idle server."""

from __future__ import annotations

import time
from pathlib import Path

from benchmarks.measure import Figure, Measuring, Plan
from benchmarks.servers import Kind, serving

WINDOW = 15
"""Duration of the measurement, in multiples of `Plan.seconds`."""


def measure(kind: Kind, plan: Plan) -> Measuring:
    """Measure a process with a server and no engine; both servers are measured at the same time."""
    seconds = WINDOW * plan.seconds
    with serving(kind, engine="none") as server:
        for _ in range(plan.rounds):
            until, before = time.monotonic() + seconds, activity(server.pid)
            yield []
            time.sleep(max(0.0, until - time.monotonic()))
            wake_ups, cpu = (after - earlier for after, earlier in zip(activity(server.pid), before, strict=True))
            yield [
                Figure("wake-ups a second", wake_ups / seconds, "1/s", "≤ 1"),
                Figure("CPU a minute", cpu / seconds * 60 * 1000, "ms", "≤ 10"),
            ]


def activity(pid: int) -> tuple[int, float]:
    """Return how often the threads of a process went to sleep, and their CPU seconds."""
    sleeps, nanoseconds = 0, 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines())
        sleeps += int(status["voluntary_ctxt_switches"])
        nanoseconds += int((task / "schedstat").read_text().split()[0])
    return sleeps, nanoseconds / 1e9
