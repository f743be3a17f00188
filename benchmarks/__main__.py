"""Measure some questions, or all; print the results, and write them to `results/`.

python -m benchmarks [--rounds N] [--quick DIRECTORY] [QUESTION …]
"""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

from benchmarks.machine import Watch
from benchmarks.measure import Plan, alternate
from benchmarks.questions import QUESTIONS, load
from benchmarks.results import RESULTS, Result, committed
from benchmarks.table import as_text


def main() -> None:
    """Parse the command line, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=", ".join(QUESTIONS))
    parser.add_argument("--rounds", type=int, default=Plan.rounds, help="how often each figure is measured")
    parser.add_argument("--quick", type=Path, metavar="DIRECTORY", help="only try it; write to DIRECTORY")
    options = parser.parse_args()
    if unknown := set(options.questions) - set(QUESTIONS):
        parser.error(f"unknown question: {', '.join(sorted(unknown))}; there are: {', '.join(QUESTIONS)}")
    allow_descriptors()
    plan = Plan(1, 0.02, 2) if options.quick else Plan(options.rounds)
    for question in options.questions or QUESTIONS:
        title, measure = load(question)
        watch = Watch()
        rows = alternate(measure, plan)
        result = Result.now(question, title, watch.machine(), rows)
        result.write(options.quick or RESULTS)
        print(as_text(result, committed(question)), flush=True)


def allow_descriptors() -> None:
    """Allow this process and its children as many file descriptors as the system permits."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    main()
