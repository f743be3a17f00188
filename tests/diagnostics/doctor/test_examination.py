"""How rules are run: missing facts, exceptions, roles, and equal findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from lmcache_internal.diagnostics.doctor import Finding, Rank, Trouble, differs
from lmcache_internal.diagnostics.doctor.catalogue import troubles
from lmcache_internal.diagnostics.doctor.examination import MAX_FINDINGS, examine


def trouble(code: str = "example", **options: Any) -> Trouble:
    texts = {"title": "An example", "meaning": "…", "confirm": "…", "next_step": "Nothing."}
    return Trouble(**{"code": code, "group": "mode", "severity": "warning", **texts, **options})


def rank(name: str, **facts: Any) -> Rank:
    return Rank(name, facts)


def one(_: Rank) -> Iterator[Finding]:
    yield Finding(message="It is so.", evidence={})


def broken(_: Any) -> Iterator[Finding]:
    yield Finding(message="Half a result.", evidence={})
    raise ZeroDivisionError("1/0")


def test_a_rule_without_its_facts_is_not_checked_with_the_reason() -> None:
    ranks = [rank("worker 0", mode={"frozen": False}), rank("worker 1", not_collected={"mode": "timed out"})]
    report = examine(ranks, [trouble(needs=("mode.frozen",), in_rank=one)])
    assert [found.ranks for found in report.findings] == [["worker 0"]]
    assert report.checked == ["example"]
    (entry,) = report.not_checked
    assert (entry.code, entry.why, entry.ranks) == (
        "example",
        "the server did not report mode.*: timed out",
        ["worker 1"],
    )


@pytest.mark.parametrize("kind", ["in_rank", "in_fleet"])
def test_a_rule_that_raises_is_not_checked_and_the_others_run(kind: str) -> None:
    options: dict[str, Any] = {kind: broken}
    report = examine([rank("a"), rank("b")], [trouble(**options), trouble("second", in_rank=one)])
    assert [found.code for found in report.findings] == ["second"]
    assert report.checked == ["second"]
    assert [(entry.code, entry.why) for entry in report.not_checked] == [
        ("example", "the rule failed: ZeroDivisionError: 1/0")
    ]


def test_a_fact_that_a_rule_reads_without_declaring_it_is_reported_as_missing() -> None:
    def rule(each: Rank) -> Iterator[Finding]:
        yield Finding(message=str(each["mode.frozen"]), evidence={})

    (entry,) = examine([rank("a")], [trouble(in_rank=rule)]).not_checked
    assert entry.why == "the server did not report mode.frozen"


def test_equal_findings_of_several_ranks_are_one_finding() -> None:
    (found,) = examine([rank("a"), rank("b")], [trouble(in_rank=one)]).findings
    assert found.ranks == ["a", "b"]


def test_findings_with_the_same_message_have_their_evidence_by_rank() -> None:
    def rule(each: Rank) -> Iterator[Finding]:
        yield Finding(message="It is so.", evidence={"requests": len(each.name)})

    (found,) = examine([rank("a"), rank("bb")], [trouble(in_rank=rule)]).findings
    assert found.evidence == {"a": {"requests": 1}, "bb": {"requests": 2}}
    assert found.ranks == ["a", "bb"]


def test_a_rule_is_only_given_the_roles_in_which_its_trouble_can_occur() -> None:
    ranks = [rank("scheduler", rank={"role": "scheduler"}), rank("worker 0", rank={"role": "worker"}), rank("?")]
    (found,) = examine(ranks, [trouble(roles=("worker",), in_rank=one)]).findings
    assert found.ranks == ["worker 0", "?"]


def test_errors_come_before_warnings_and_notices() -> None:
    known = [trouble(severity, severity=severity, in_rank=one) for severity in ("notice", "error", "warning")]
    assert [found.severity for found in examine([rank("a")], known).findings] == ["error", "warning", "notice"]


def test_the_findings_of_a_rule_are_limited() -> None:
    def endless(_: Sequence[Rank]) -> Iterator[Finding]:
        return (Finding(message=str(number), evidence={}) for number in count())

    report = examine([rank("a"), rank("b")], [trouble(in_fleet=endless)])
    assert len(report.findings) == MAX_FINDINGS


def test_differs_names_each_value_and_its_ranks() -> None:
    ranks = [rank(name, config={"size": size}) for name, size in (("a", 1), ("b", 2), ("c", 1))]
    (found,) = examine(ranks, [trouble(in_fleet=differs("config.size", "sizes"))]).findings
    assert found.message == "The ranks have 2 different sizes: 1 (2 ranks), 2 (1 rank)."
    assert found.evidence == {"config.size": {"1": ["a", "c"], "2": ["b"]}}


@pytest.mark.parametrize("each", troubles().values(), ids=lambda each: each.code)
def test_a_trouble_is_declared_completely(each: Trouble) -> None:
    assert all((each.title, each.meaning, each.confirm, each.next_step))
    assert not (each.in_rank and each.in_fleet)
    assert not each.title.endswith(".")
    assert each.meaning.endswith(".")
    assert each.next_step.endswith(".")
