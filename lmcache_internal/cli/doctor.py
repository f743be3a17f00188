"""`doctor`: look for known troubles of a deployment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from .client import Client
from .commands import Command
from .fleet import Fleet
from .next_steps import completed
from .options import fleet_options
from .outcome import Outcome
from .runbook import complete_codes, print_section


@click.command(cls=Command)
@click.option(
    "--about",
    metavar="CODE",
    is_eager=True,
    expose_value=False,
    callback=print_section,
    shell_complete=complete_codes,
    help="Print what the trouble of a finding means and what to do, and ask no server.",
)
@fleet_options(seconds=10)
def doctor(fleet: Fleet) -> None:
    """Look for known troubles of all servers, and print the evidence and the next step of each.

    Reads only. The exit status is 1 if there is an error or a warning, or a server could not be examined. A server
    without GET /doctor, such as LMCache's own, is examined by its other endpoints.

    Example: lmcache-internal doctor --config lmcache.yaml
    """
    outcomes = fleet.each(fetch)
    document = examined(fleet, outcomes)
    if fleet.screen.as_json:
        fleet.screen.json(document)
    else:
        fleet.screen.text(text_of(document))
    if any(found["severity"] != "notice" for found in document["findings"]):
        raise SystemExit(1)
    fleet.finish(outcomes)


def fetch(client: Client) -> dict[str, Any]:
    """Return the facts of one server; raises `Failure`."""
    from .doctor_facts import fetch_facts  # Not needed by other commands, and slow to import.

    return fetch_facts(client)


def examined(fleet: Fleet, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Run all rules on the facts of the servers that answered; return the report and an entry for each server."""
    from ..diagnostics.doctor.examination import examine
    from ..diagnostics.doctor.ranks import Rank

    names = rank_names(outcomes)
    ranks = [Rank(name, outcome.data) for name, outcome in zip(names, outcomes, strict=True) if outcome.ok]
    report: dict[str, Any] = msgspec.to_builtins(examine(ranks))
    targets = {name: outcome.target for name, outcome in zip(names, outcomes, strict=True)}
    for found in report["findings"]:
        affected = [targets[name] for name in found["ranks"] if name in targets]
        found["next_step"] = completed(found["next_step"], fleet, affected, found["evidence"])
    entries = [
        {"name": name, **outcome.target.public(), "ok": outcome.ok, **_result(outcome)}
        for name, outcome in zip(names, outcomes, strict=True)
    ]
    return {**report, "ranks": entries}


def text_of(document: dict[str, Any]) -> str:
    """Return the text of a report that `examined` returned."""
    from ..diagnostics.doctor.report import Report
    from .doctor_text import report_text

    failures = {entry["name"]: entry["error"] for entry in document["ranks"] if not entry["ok"]}
    noun = "server" if any(entry["index"] is None for entry in document["ranks"]) else "rank"
    return report_text(msgspec.convert(document, Report), failures, len(document["ranks"]), noun)


def rank_names(outcomes: Sequence[Outcome]) -> list[str]:
    """Return a name for each server, such as "worker 0"; with the address where two have the same name."""
    from ..diagnostics.doctor.ranks import rank_name

    names = []
    for outcome in outcomes:
        known = rank_name(outcome.data) if outcome.ok else ""
        names.append(outcome.target.role or known or outcome.target.address)
    counts = Counter(names)
    return [
        f"{name} ({outcome.target.address})" if counts[name] > 1 and name != outcome.target.address else name
        for name, outcome in zip(names, outcomes, strict=True)
    ]


def _result(outcome: Outcome) -> dict[str, Any]:
    return {"facts": outcome.data} if outcome.ok else {"error": outcome.error}
