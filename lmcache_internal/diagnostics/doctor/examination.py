"""Run the rules of the catalogue on the facts of ranks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from msgspec.structs import replace

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
    found: list[Diagnosis] = []
    ran = False
    for examined in [known] if trouble.in_fleet else [[rank] for rank in known]:
        names = [rank.name for rank in examined]
        try:
            found += [Diagnosis.of(trouble, finding, names) for finding in _findings(trouble, examined)]
        except Exception as error:  # A rule may raise anything on unexpected facts; the others must still run.
            missing |= dict.fromkeys(names, _reason(error))
        else:
            ran = True
    report.findings += _merged(found)
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


def _merged(found: Iterable[Diagnosis]) -> list[Diagnosis]:
    """Return one diagnosis for each message; if the evidence is not the same in all ranks, it is by rank."""
    alike: dict[tuple[str, str], list[Diagnosis]] = {}
    for diagnosis in found:
        alike.setdefault((diagnosis.severity, diagnosis.message), []).append(diagnosis)
    return [_joined(same) for same in alike.values()]


def _joined(same: list[Diagnosis]) -> Diagnosis:
    first = same[0]
    ranks = list(dict.fromkeys(name for each in same for name in each.ranks))
    is_equal = all(each.evidence == first.evidence for each in same)
    evidence = first.evidence if is_equal else {", ".join(each.ranks): each.evidence for each in same}
    return replace(first, ranks=ranks, evidence=evidence)


class _NotEnoughRanks(Exception):
    pass


def _reason(error: Exception) -> str:
    expected = isinstance(error, (_NotEnoughRanks, LookupError)) and not isinstance(error, (KeyError, IndexError))
    text = str(error) if expected else f"the rule failed: {type(error).__name__}: {error}"
    return str(redact(" ".join(text.split())))[:_LONGEST_WHY]
