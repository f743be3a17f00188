"""What `GET /doctor` finds in an engine, and what the rules find in several."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from lmcache_internal import InternalAPIServer, create_app
from lmcache_internal.app import InternalApp
from lmcache_internal.diagnostics.doctor import Rank
from lmcache_internal.diagnostics.doctor.examination import examine
from lmcache_internal.diagnostics.doctor.ranks import rank_name
from tests.support import fetch

Findings = dict[str, dict[str, Any]]
"""The findings by code."""


def report(app: InternalApp) -> dict[str, Any]:
    """Return the response of GET /doctor."""
    response = app.test_client().get("/doctor")
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def found(manager: Any) -> Findings:
    """Return what GET /doctor finds in an engine."""
    return by_code(report(create_app(manager)))


def served(server: InternalAPIServer) -> dict[str, Any]:
    """Return the response of a running server to GET /doctor."""
    status, body = fetch(server, "/doctor")
    assert status == 200, body
    return dict(json.loads(body))


def by_code(response: dict[str, Any]) -> Findings:
    """Return the findings of a response; each has evidence and a next step."""
    assert all(finding["evidence"] and finding["next_step"] for finding in response["findings"])
    return {finding["code"]: finding for finding in response["findings"]}


def in_fleet(facts: Sequence[dict[str, Any]]) -> Findings:
    """Return what the rules find in the facts of several ranks."""
    result = examine([Rank(rank_name(each), each) for each in facts])
    return {
        each.code: {"message": each.message, "severity": each.severity, **each.evidence} for each in result.findings
    }
