"""The README's selection of figures."""

from __future__ import annotations

import re
import statistics

from benchmarks.results import Result
from benchmarks.table import number

_BEGIN, _END = "<!-- Figures: printed by `make docs` -->\n", "<!-- End of figures -->\n"

_SHOWN = {
    ("throughput", "/lmc_version, tcp, 8 clients"): "8 clients that ask for `/lmc_version` again at once",
    ("throughput", "/conf, tcp, 8 clients"): "… for `/conf`",
    ("throughput", "/metrics, tcp, 8 clients"): "… for `/metrics`",
    ("throughput", "/threads, tcp, 8 clients"): "… for `/threads`",
    ("new_connections", "tcp, 8 clients"): "… for `/lmc_version`, each time on a new connection",
    ("slow_neighbors", "4 sleeping: worst"): "The longest that a request waits beside 4 that sleep",
    ("slow_neighbors", "1 burning CPU: worst"): "… beside one that burns CPU",
    ("spinning_engine", "/metrics, 10 a second: p50"): "A scrape beside an engine thread that never rests",
    ("spinning_engine", "/metrics, 10 a second: engine loses per request"): "… and what it costs that thread",
    ("full_load", "8 clients: left to the engine"): "What 8 clients at full speed leave to such a thread",
    ("startup", "time beside a loaded engine"): "From the import to the first answer, engine loaded",
    ("startup", "memory beside a loaded engine"): "… and the memory that it takes",
    ("idle", "CPU a minute"): "CPU a minute where nobody asks",
    ("stopping", "stop with idle clients"): "Stopping with idle clients",
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
    lines += ["", f"Medians, measured in turns on {' and '.join(dates)}; {machine}.", ""]
    return re.sub(r" % left", " %", "\n".join(lines))
