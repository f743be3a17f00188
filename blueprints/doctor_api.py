"""Known troubles of this rank, and the facts to find those of the whole deployment."""

from typing import Any

from flask import Blueprint, request

from lmcache_internal.api import LOAD_KEY, Role, facts_collector, health, operation
from lmcache_internal.diagnostics.doctor.examination import examine
from lmcache_internal.diagnostics.doctor.ranks import Rank, rank_name
from lmcache_internal.diagnostics.doctor.report import Report

router = Blueprint("doctor", __name__)
engines = ("in-process", "mp")


class RankReport(Report, kw_only=True):
    """The troubles of one rank.

    Attributes:
        facts: what the rules read, by group; secrets are masked.
    """

    facts: dict[str, Any]


@router.get("/doctor")
@operation(action="examine this rank", access=Role.VIEWER, media="pretty", cheap=True, limit="doctor")
def doctor() -> RankReport:
    """Look for known troubles in this rank, and show the facts that were looked at.

    Each finding has its evidence and the next step. Rules that compare ranks need the facts of all ranks: run
    `lmcache-internal doctor`.
    """
    facts = facts_collector().collect(health().subject(request.environ.get(LOAD_KEY)))
    report = examine([Rank(rank_name(facts) or "this rank", facts)])
    return RankReport(report.findings, report.checked, report.not_checked, facts=facts)
