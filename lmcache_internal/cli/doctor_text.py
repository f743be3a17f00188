"""Print the doctor's report for people: what is wrong first, then what was checked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from typing import Any

from ..conversion import cut
from ..diagnostics.doctor.report import Diagnosis, Report
from ..diagnostics.doctor.trouble import SEVERITIES
from .targets import named
from .text import printable

_LONGEST_MESSAGE = 1000
_LONGEST_EVIDENCE = 600
_MOST_EVIDENCE = 8


def report_text(report: Report, failures: Mapping[str, str], asked: int, noun: str) -> str:
    """Return the text of a report.

    Args:
        report: the findings.
        failures: the ranks that could not be examined, with the reason.
        asked: the number of ranks that were asked.
        noun: what they are: `rank` or `server`.
    """
    return "\n".join(
        map(
            printable,
            chain(_findings(report), _failures(failures), _summary(report, asked - len(failures), asked, noun)),
        )
    )


def _findings(report: Report) -> Iterator[str]:
    for found in report.findings:
        yield f"{found.severity.upper()}  {found.code}: {found.title}"
        yield f"  {cut(found.message, _LONGEST_MESSAGE)}"
        yield f"  Ranks:     {named(found.ranks)}"
        yield from _evidence(found)
        yield f"  Next step: {found.next_step}"
        about = f"lmcache-internal doctor --about {found.code}"
        yield f"  See:       {'; '.join(filter(None, [about, found.reference]))}"
        yield ""


def _evidence(found: Diagnosis) -> Iterator[str]:
    label = "Evidence:"
    for name, value in islice(found.evidence.items(), _MOST_EVIDENCE):
        line = f"{name}: {_value(value)}"
        yield f"  {label:<10} {line[:_LONGEST_EVIDENCE]}{'…' * (len(line) > _LONGEST_EVIDENCE)}"
        label = ""
    if len(found.evidence) > _MOST_EVIDENCE:
        yield f"  {label:<10} and {len(found.evidence) - _MOST_EVIDENCE} more, see --json"


def _value(value: Any) -> str:
    if isinstance(value, dict) and all(isinstance(names, list) for names in value.values()):
        return ", ".join(f"{key} ({named(list(map(str, names)))})" for key, names in value.items())
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _failures(failures: Mapping[str, str]) -> Iterator[str]:
    for name, reason in failures.items():
        yield f"NOT EXAMINED  {name}: {reason}"
    if failures:
        yield ""


def _summary(report: Report, examined: int, asked: int, noun: str) -> Iterator[str]:
    counts = {severity: sum(found.severity == severity for found in report.findings) for severity in SEVERITIES}
    words = [f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items() if count]
    count = f"{asked}" if examined == asked else f"{examined} of {asked}"
    if not examined:
        yield f"Nothing was checked: none of {asked} {noun}{'s' * (asked != 1)} could be examined."
        return
    yield f"{', '.join(words) or 'Nothing found'} in {count} {noun}{'s' * (asked != 1)}."
    yield f"Checked: {', '.join(report.checked) or 'nothing'}."
    if report.not_checked:
        yield "Not checked:"
    alike: dict[tuple[str, str], list[str]] = {}
    for entry in report.not_checked:
        alike.setdefault((entry.why, named(entry.ranks)), []).append(entry.code)
    for (why, ranks), codes in alike.items():
        yield f"  {', '.join(codes)} ({ranks}): {why}"
