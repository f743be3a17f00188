"""Run the rules of the catalogue on the facts of ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from ...redaction import redact
from .catalogue import troubles
from .ranks import Rank
from .report import Diagnosis, NotChecked, Report
from .trouble import Finding, Trouble

MAX_FINDINGS = 100
"""Findings of one rule."""
_LONGEST_WHY = 300


def examine(ranks: Sequence[Rank], catalogue: Iterable[Trouble] | None = None) -> Report:
    """Run each rule of the catalogue on the ranks that it applies to.

    A rule whose facts are missing, or that raises, is in `not_checked`; the other rules run.

    Args:
        ranks: the ranks of one deployment.
        catalogue: the troubles to look for; all known ones by default.
    """
    report = Report()
    for trouble in troubles().values() if catalogue is None else catalogue:
        applicable = [rank for rank in ranks if rank.role is None or rank.role in trouble.roles]
        if applicable and (trouble.in_rank or trouble.in_fleet):
            _run(trouble, applicable, report)
    report.sort()
    return report


def _run(trouble: Trouble, ranks: list[Rank], report: Report) -> None:
    missing = {rank.name: rank.missing(trouble.needs) for rank in ranks}
    known = [rank for rank in ranks if not missing[rank.name]]
    ran = False
    for examined in [known] if trouble.in_fleet else [[rank] for rank in known]:
        names = [rank.name for rank in examined]
        try:
            found = _findings(trouble, examined)
        except Exception as error:  # A rule may raise anything on unexpected facts; the others must still run.
            missing |= dict.fromkeys(names, _reason(error))
        else:
            ran = True
            _add(report, [Diagnosis.of(trouble, finding, names) for finding in found])
    if ran:
        report.checked.append(trouble.code)
    for why in dict.fromkeys(filter(None, missing.values())):
        report.not_checked.append(NotChecked(trouble.code, why, [name for name in missing if missing[name] == why]))


def _findings(trouble: Trouble, ranks: list[Rank]) -> list[Finding]:
    found: Iterable[Finding] = ()
    if trouble.in_rank is not None:
        found = trouble.in_rank(ranks[0])
    elif trouble.in_fleet is not None:
        if len(ranks) < 2:
            raise _NotEnoughRanks(f"it compares ranks, and {len(ranks)} of them can be compared")
        found = trouble.in_fleet(ranks)
    return list(islice(found, MAX_FINDINGS))


def _add(report: Report, found: list[Diagnosis]) -> None:
    """Add diagnoses; one that other ranks have, too, gets their names instead of a second entry."""
    for diagnosis in found:
        for known in report.findings:
            if (known.code, known.severity, known.message, known.evidence) == (
                diagnosis.code, diagnosis.severity, diagnosis.message, diagnosis.evidence,
            ):  # fmt: skip
                known.ranks.extend(name for name in diagnosis.ranks if name not in known.ranks)
                break
        else:
            report.findings.append(diagnosis)


class _NotEnoughRanks(Exception):
    pass


def _reason(error: Exception) -> str:
    expected = isinstance(error, (_NotEnoughRanks, LookupError)) and not isinstance(error, (KeyError, IndexError))
    text = str(error) if expected else f"the rule failed: {type(error).__name__}: {error}"
    return str(redact(" ".join(text.split())))[:_LONGEST_WHY]
