"""The README's selection of figures."""

from __future__ import annotations

import re
import statistics

from benchmarks.results import Result
from benchmarks.table import number

_BEGIN, _END = "<!-- Figures: printed by `make docs` -->\n", "<!-- End of figures -->\n"

_SHOWN = {
    ("throughput", "/lmc_version, tcp, 8 clients"): "`/lmc_version`, 8 clients in closed loops",
    ("throughput", "/conf, tcp, 8 clients"): "`/conf`",
    ("throughput", "/metrics, tcp, 8 clients"): "`/metrics`",
    ("throughput", "/threads, tcp, 8 clients"): "`/threads`",
    ("new_connections", "tcp, 8 clients"): "`/lmc_version`, each on a new connection",
    ("slow_neighbors", "4 sleeping: worst"): "Longest wait of a request beside 4 sleeping requests",
    ("slow_neighbors", "1 burning CPU: worst"): "Longest wait beside one CPU-bound script",
    ("spinning_engine", "/metrics, 10 a second: p50"): "Median scrape beside a busy engine thread",
    (
        "spinning_engine",
        "/metrics, 10 a second: engine loses per request",
    ): "CPU time that the scrape costs that thread",
    ("full_load", "8 clients: left to the engine"): "CPU time left to that thread by 8 clients at full speed",
    ("startup", "time beside a loaded engine"): "Import to first response, with a loaded engine",
    ("startup", "memory beside a loaded engine"): "Memory after the start",
    ("idle", "CPU a minute"): "Idle CPU per minute",
    ("stopping", "stop with idle clients"): "Time to stop with idle clients",
}


def put_into(readme: str, results: list[Result]) -> str:
    """Return the README with the figures of `results`."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_table(results)}{_END}{after}"


def _table(results: list[Result]) -> str:
    found = {result.question: result for result in results}
    lines = ["| | LMCache's server | this one |", "| --- | ---: | ---: |"]
    for (question, name), label in _SHOWN.items():
        row = found[question].row(name) if question in found else None
        if row is not None:
            figures = [f"{number(statistics.median(values))} {row.unit}" for values in (row.lmcache, row.ours)]
            lines.append(f"| {label} | {' | '.join(figures)} |")
    dates = sorted({result.date[:10] for result in results})
    machine = results[0].machine["CPU"] if results else "none"
    lines += ["", f"Medians of alternating measurements on {' and '.join(dates)}; {machine}.", ""]
    return re.sub(r" % left", " %", "\n".join(lines))
