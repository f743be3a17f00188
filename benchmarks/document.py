"""Generate docs/benchmarks.md, its chart and the README's figures from the results: `make docs`."""

from __future__ import annotations

from benchmarks import ablation
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

These tables compare this server with LMCache's own server (FastAPI, uvicorn with uvloop and httptools). `make bench`
measures all questions in about 15 minutes. `make bench BENCH=throughput` measures one question, and `BENCH_ROUNDS=15`
sets the number of rounds. No GPU is needed. Use an idle machine; each table shows how many cores other programs used.

- **Two processes with one engine each.** Both have LMCache's own worker on CPU with the same configuration. One runs
  LMCache's server, the other runs this one. Questions that the engine's threads would disturb (idle, start, stop) use a
  manager that has only a configuration. In MP mode, both are LMCache's multi-process server with an empty cache.
- **Alternating measurements.** Each round measures both servers, one directly after the other, and the order changes
  with each round. A cell shows the median, with the minimum and maximum in parentheses. The ratio is the ratio of the
  medians; its spread is the spread over the rounds. Ignore differences that are smaller than the spread.
- **The client** is a separate process with raw sockets and one epoll, the same for TCP and Unix sockets. In closed
  loops it never sleeps, because the time to wake it would be added to both sides. Beside an engine thread it sleeps,
  because it would otherwise take the core of that thread; its figures then match those of wrk. No process is pinned to
  a core: on a single core, the GIL moves between threads at almost no cost, which favors servers with many threads.
- **Requests at a constant rate** are measured from their scheduled time, so a stall counts for each request that it
  delays.
- **"Left to the engine"** is the CPU time of a busy engine thread during the requests, compared with its CPU time just
  before and after. **"Engine loses"** is the rest, per request or per second.
- **"committed"**, on the terminal, is the ratio in the last commit, with "better" or "worse" if the spreads do not
  overlap.
"""

FALLING_SHORT = """\
## Missed targets

- **CPU time of a request.** The thread of the event loop wakes with cold caches, waits for the GIL, and holds it while
  it runs. `/lmc_version` takes 0.09 ms of CPU in the app at full speed, most of it in Flask, and 0.5 ms in
  that case. `/conf` takes 0.13 ms, because each request reads all 123 settings to notice a change that did not come
  through this server.
- **Requests beside many CPU-bound scripts** wait until each script has had its 5 ms of the GIL, because Python cannot
  preempt a thread from outside. Therefore `/run_script` runs at most two scripts at a time by default; this benchmark
  allows 8.
- **Requests that need a worker thread, beside clients at full speed.** `/backends` moves to a worker thread and from
  there to a thread with a timeout. In LMCache's server, the event loop calls the engine itself. Each switch waits for
  the GIL.
- **A scrape beside a busy engine thread.** With warm caches, the 412 lines of an idle worker take 0.55 ms of CPU, where
  prometheus_client's `generate_latest` takes 2.36 ms. Beside a busy engine the caches are cold, and the scrape runs in
  a worker thread, so that a timeout can end the wait if a collector hangs. In the event loop it took half the time, but
  a collector that hung stopped the server.
- **New connections.** A connection with one request takes 0.16 ms of CPU; 0.14 ms would reach 2.5x. The kernel and
  waitress use a quarter of it to accept, watch and close the connection. Flask and the request use the rest.
- **Start-up.** Beside a loaded engine, imports trigger garbage collections of all objects of the engine, which take
  most of the time. Pausing the garbage collector of the engine's process would avoid them. Engines start for about a
  minute, so a few tenths of a second make no difference. In MP mode, the same 0.2 s are 6 % of the start.
"""

PARTS = """\
## What each part of the server is worth

`make ablation` measures the server with a part and without it, alternately, in two processes with one engine each. Each
of these parts only makes the server faster, or disturbs the engine less; each can be removed by itself.
"""


def as_markdown(results: list[Result]) -> str:
    """Return the document."""
    asked = [row for result in results for row in _table(result, asked_only=True)]
    parts = [
        INTRODUCTION,
        "![Bars](benchmarks.svg)\n",
        "## Targets\n",
        *_header("asked"),
        *asked,
        "",
        FALLING_SHORT,
    ]
    for result in results:
        parts += [f"## {result.title}\n", f"`make bench BENCH={result.question}`: {origin(result)}.\n"]
        parts += [*_header(""), *_table(result), ""]
    parts += [PARTS, ablation.as_markdown(ablation.written())]
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
