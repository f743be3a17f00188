"""Generate docs/benchmarks.md, its chart and the README's figures from the results: `make docs`."""

from __future__ import annotations

from benchmarks.chart import as_svg
from benchmarks.questions import QUESTIONS
from benchmarks.results import Result, written
from benchmarks.summary import put_into
from benchmarks.table import HEADER, cells, origin
from tests.support import ROOT

DOCUMENT = ROOT / "docs" / "benchmarks.md"
PICTURE = ROOT / "docs" / "benchmarks.svg"
README = ROOT / "README.md"

INTRODUCTION = """\
# Benchmarks

<!-- Printed by `make docs` from benchmarks/results; do not edit. -->

This server beside LMCache's own (FastAPI, uvicorn with uvloop and httptools), in the same run. `make bench` asks all
questions, which takes about a quarter of an hour; `make bench BENCH=throughput` asks one, and `BENCH_ROUNDS=15`
measures each figure more often. It needs no GPU, and a machine without much else to do: how many cores others have
taken meanwhile stands with each table.

- **Two processes, one engine each**: LMCache's own worker on CPU, with the same configuration; one has its own server
  in it, the other ours. Where the engine's threads would be in the way (idle, start and stop), there is a manager
  that has a configuration only.
- **In alternation**: each figure is taken from one and at once from the other, the one that was last being first
  next, for several rounds. A cell holds the median, and in parentheses the least and the greatest; the ratio is that
  of the medians, and its spread that of the rounds. A difference smaller than the spread is none.
- **The client** is a process of its own, raw sockets and one epoll, the same for TCP and Unix sockets. Where clients
  ask again at once it never sleeps, because what the machine needs to wake it would be added to both sides (beside an
  engine thread it does sleep, as it would take its core; then it comes to the same figures as wrk). Nothing is pinned
  to a core: on a single one, threads would hand each other the GIL at next to no cost, which flatters whoever has many.
- **Requests at a steady rate** count from when they were due, so a stall counts for each request that it delays.
- **"Left to the engine"** is the CPU time that an engine thread which never rests gets while the server is asked,
  beside what it gets just before and after; **"engine loses"** is the rest, a request or a second.
- **committed**, on the terminal, is the ratio in the last commit, and "better" or "worse" where the two spreads lie
  apart.
"""

FALLING_SHORT = """\
## Where we fall short of it, and why

- **What a request costs the engine**: the event loop's thread wakes with cold caches, waits for the lock, and has
  it while it computes. `/lmc_version`, 0.09 ms of CPU at full speed, is then 0.6 ms. A scrape of 370 lines is 0.75
  ms of CPU with warm caches; 0.45 ms of it is `registry.collect()` of prometheus_client, which makes the samples
  again each time.
- **Neighbors of many scripts that burn CPU** wait until all of these have had their 5 ms, again and again: a thread
  cannot be held back from outside. So `/run_script` lets two run at once; the setting that allows more is 8 here.
- **Requests that take a thread, beside clients at full speed**: `/backends` is handed to a worker thread and to one
  with a timeout, where LMCache's event loop calls the engine itself. Each hand-over waits for the interpreter's
  lock.
- **A scrape beside a thread that never rests** takes a worker thread, which can be given up when a collector hangs.
  In the event loop it took half the time, and a collector that hangs stopped the server.
- **New connections**: one with one request is 0.16 ms of the server's CPU, and 0.14 ms would be 2.5x. The kernel
  and waitress take a quarter of it for accepting, watching and closing; Flask and the request the rest.
- **Start-up**: beside a loaded engine, imports set off collections of all of the engine's objects, which take most
  of the time. Pausing the collector of the engine's process would avoid them; in an engine that starts for a
  minute, nobody notices a few tenths of a second.
"""


def as_markdown(results: list[Result]) -> str:
    """Return the document."""
    asked = [row for result in results for row in _table(result, asked_only=True)]
    parts = [
        INTRODUCTION,
        "![Bars](benchmarks.svg)\n",
        "## What is asked\n",
        *_header("asked"),
        *asked,
        "",
        FALLING_SHORT,
    ]
    for result in results:
        parts += [f"## {result.title}\n", f"`make bench BENCH={result.question}`: {origin(result)}.\n"]
        parts += [*_header(""), *_table(result), ""]
    versions = results[-1].versions if results else {}
    parts.append(f"Measured with {', '.join(f'{name} {version}' for name, version in versions.items())}.\n")
    return "\n".join(parts)


def main() -> None:
    """Write the document, the chart and the README."""
    results = written(QUESTIONS)
    DOCUMENT.write_text(as_markdown(results), encoding="utf-8")
    PICTURE.write_text(as_svg(results), encoding="utf-8")
    README.write_text(put_into(README.read_text(encoding="utf-8"), results), encoding="utf-8")


def _header(first: str) -> list[str]:
    return [_line((first, *HEADER[1:])), _line(("---",) * len(HEADER))]


def _table(result: Result, asked_only: bool = False) -> list[str]:
    prefix = f"{result.question.replace('_', ' ')}: " if asked_only else ""
    rows = [row for row in result.rows if row.asked or not asked_only]
    return [_line((prefix + row.name, *cells(row)[1:])) for row in rows]


def _line(cells_of_row: tuple[str, ...]) -> str:
    return f"| {' | '.join(cells_of_row)} |"


if __name__ == "__main__":
    main()
