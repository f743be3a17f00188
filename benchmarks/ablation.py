"""What each part of the server is worth: the server with it, and the server without it.

    make ablation
    python -m benchmarks.ablation [--rounds N] [PART …]

A part stays in the server only if a figure that an operator notices is clearly worse without it. `docs/design.md` has
the decisions, and `docs/benchmarks.md` the figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial

from benchmarks.__main__ import allow_descriptors
from benchmarks.engine import beside
from benchmarks.load import closed_loop, steady
from benchmarks.measure import Figure
from benchmarks.mixed import beside_clients
from benchmarks.results import RESULTS
from benchmarks.rows import Spread
from benchmarks.servers import Server, serving
from benchmarks.table import spread
from benchmarks.without import PARTS

FILE = RESULTS / "ablation.json"
HEADER = ("part", "figure", "unit", "with it", "without it")
SECONDS = 2.0
"""Duration of each load."""

Load = Callable[[Server, float], list[Figure]]


@dataclass(frozen=True)
class Finding:
    """One figure of the server with a part, and without it.

    Attributes:
        part: see `without.PARTS`.
        name: what is measured.
        unit: the unit of the values.
        kept: the values with the part, one per round.
        removed: the values without it.
    """

    part: str
    name: str
    unit: str
    kept: list[float] = field(default_factory=list)
    removed: list[float] = field(default_factory=list)

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells of a table row for `HEADER`: medians, and in parentheses minimum and maximum."""
        values = [spread(Spread.of(values)) for values in (self.kept, self.removed)]
        return f"`{self.part}`" if "/" in self.part else self.part, self.name, self.unit, *values


def at_full_speed(path: str, server: Server, seconds: float) -> list[Figure]:
    """Measure one client that asks again at once."""
    load = closed_loop(server.address, path, 1, seconds)
    return [Figure(f"{path}, 1 client", load.per_second, "requests/s")]


def beside_a_busy_engine(path: str, server: Server, seconds: float) -> list[Figure]:
    """Measure 10 requests a second beside an engine thread that runs Python without a pause."""
    found = beside(server, seconds, partial(steady, server.address, path, 10, 2 * seconds))
    return [
        Figure(f"{path} beside a busy engine: p50", found.load.percentile(50), "ms"),
        Figure(f"{path}: the engine loses", found.lost / len(found.load.latencies), "ms"),
    ]


def flooded(server: Server, seconds: float) -> list[Figure]:
    """Measure what 8 clients at full speed leave to a busy engine thread."""
    load = partial(closed_loop, server.address, "/lmc_version", 8, seconds, sleepless=False)
    left = beside(server, seconds, load).left
    return [Figure("8 clients at full speed: left to the engine", 100 * left, "% left")]


def waiting(server: Server, seconds: float) -> list[Figure]:
    """Measure a request that needs a worker thread, beside 8 clients at full speed."""
    load = beside_clients(server.address, 8, seconds)
    return [Figure("/backends beside 8 clients at full speed: p50", load.percentile(50), "ms")]


LOADS: dict[str, tuple[Load, ...]] = {
    "serving/inline.py": (partial(beside_a_busy_engine, "/lmc_version"), partial(at_full_speed, "/lmc_version")),
    "serving/gil_sockets.py": (
        partial(beside_a_busy_engine, "/lmc_version"),
        partial(beside_a_busy_engine, "/metrics"),
    ),
    "serving/cpu_budget.py": (flooded, waiting),
    "serving/header_cache.py": (partial(at_full_speed, "/lmc_version"),),
    "waking the event loop only if needed": (
        partial(beside_a_busy_engine, "/metrics"),
        partial(at_full_speed, "/threads"),
    ),
    "operations/flask_fastpath.py": (partial(at_full_speed, "/lmc_version"),),
    "metrics/renderer.py": (partial(beside_a_busy_engine, "/metrics"), partial(at_full_speed, "/metrics")),
    "metrics/kept_series.py": (partial(beside_a_busy_engine, "/metrics"), partial(at_full_speed, "/metrics")),
    "metrics/process.py": (partial(beside_a_busy_engine, "/metrics"), partial(at_full_speed, "/metrics")),
}
"""The loads in which each part should be noticed."""


def measure(part: str, rounds: int, seconds: float = SECONDS) -> list[Finding]:
    """Measure the server with a part and without it, alternately."""
    findings: dict[str, Finding] = {}
    with ExitStack() as stack:
        servers = {without: stack.enter_context(serving("ours", without=without)) for without in ("", part)}
        for number in range(rounds):
            for load in LOADS[part]:
                for without in ("", part) if number % 2 else (part, ""):
                    for figure in load(servers[without], seconds):
                        finding = findings.setdefault(figure.name, Finding(part, figure.name, figure.unit))
                        (finding.removed if without else finding.kept).append(figure.value)
    return list(findings.values())


def as_markdown(findings: list[Finding]) -> str:
    """Return a table."""
    lines = [HEADER, ("---",) * len(HEADER), *(finding.cells for finding in findings)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def written() -> list[Finding]:
    """Return the findings in the checkout."""
    return [Finding(**finding) for finding in json.loads(FILE.read_text(encoding="utf-8"))]


def main() -> None:
    """Parse the command line, measure, print the table, and write it to `results/` if all parts were measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ablation", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3, help="how often each figure is measured")
    parser.add_argument("--quick", action="store_true", help="only try it, and write nothing")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"unknown part: {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    allow_descriptors()
    findings: list[Finding] = []
    for part in options.parts or PARTS:
        found = measure(part, 1 if options.quick else options.rounds, 0.1 if options.quick else SECONDS)
        print(as_markdown(found), flush=True)
        findings += found
    if not (options.parts or options.quick):
        FILE.write_text(json.dumps([asdict(finding) for finding in findings], indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
