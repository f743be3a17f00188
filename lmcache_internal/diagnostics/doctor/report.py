"""The report of the doctor."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from .trouble import SEVERITIES, Finding, Severity, Trouble


class Diagnosis(Struct, frozen=True):
    """A trouble that was found.

    Attributes:
        code: the trouble; docs/runbook.md has a section for it.
        title: the trouble in a few words.
        severity: how serious it is.
        message: what is wrong in this deployment.
        evidence: the facts that prove it.
        next_step: what to do.
        reference: the issue or pull request upstream; empty if there is none.
        ranks: the names of the affected ranks.
    """

    code: str
    title: str
    severity: Severity
    message: str
    evidence: dict[str, Any]
    next_step: str
    reference: str
    ranks: list[str]

    @classmethod
    def of(cls, trouble: Trouble, finding: Finding, ranks: list[str]) -> Diagnosis:
        """Combine a finding with its trouble; `ranks` are those that the rule was given."""
        return cls(
            trouble.code,
            trouble.title,
            finding.severity or trouble.severity,
            finding.message,
            finding.evidence,
            trouble.next_step,
            trouble.reference,
            list(finding.ranks) or ranks,
        )


class NotChecked(Struct, frozen=True):
    """A trouble that could not be looked for.

    Attributes:
        code: the trouble.
        why: the reason.
        ranks: the ranks where it was not looked for.
    """

    code: str
    why: str
    ranks: list[str]


class Report(Struct):
    """The result of all rules.

    Attributes:
        findings: the troubles that were found, worst first.
        checked: the codes of the rules that ran, in at least one rank.
        not_checked: the rules that did not run, and where.
    """

    findings: list[Diagnosis] = []
    checked: list[str] = []
    not_checked: list[NotChecked] = []

    def sort(self) -> None:
        """Order the findings: errors, warnings, notices; within a severity, those with most ranks first."""
        self.findings.sort(key=lambda found: (SEVERITIES.index(found.severity), -len(found.ranks)))
