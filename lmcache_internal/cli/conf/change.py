"""`conf set` and `conf rollback`: change the configuration on all chosen servers, or on none.

Every server checks the change first. If one of them cannot apply it, none does. If one fails afterwards, the output
says where the change was applied, and how to undo it.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import click

from ..commands import Command
from ..confirm import confirm, require_terminal, yes_option
from ..fleet import Fleet, Job
from ..group_rows import show_rows
from ..options import fleet_options
from ..outcome import Outcome
from ..targets import Target
from ..undo import undo_commands
from ..units import servers
from .transaction import Check, Request, apply, check
from .values import parse_pairs, shown

_dry_run_option = click.option("--dry-run", is_flag=True, help="Check the change on all servers, and apply nothing.")


@click.command("set", cls=Command)
@click.argument(
    "values", nargs=-1, required=True, metavar="KEY=VALUE...", callback=lambda _, __, pairs: parse_pairs(pairs)
)
@yes_option
@_dry_run_option
@fleet_options(changes=True, ranks=True)
def set_values(fleet: Fleet, values: dict[str, Any], yes: bool, dry_run: bool) -> None:
    """Set configuration values on all chosen servers, or on none.

    A VALUE is JSON (true, 512, null, [0,1]), or text. First, each server checks the values, and the command prints what
    would change. The values are applied only if all servers accept them. A server whose configuration changed in
    between refuses them; the output then lists where they were applied.

    Example: lmcache-internal conf set min_retrieve_tokens=512 --config lmcache.yaml --all
    """
    _change(fleet, Request("/conf", {"atomic": "true"}, values), yes, dry_run)


@click.command(cls=Command)
@click.option("--to", "number", type=click.IntRange(0), required=True, help="A revision from `conf history`.")
@yes_option
@_dry_run_option
@fleet_options(changes=True, ranks=True)
def rollback(fleet: Fleet, number: int, yes: bool, dry_run: bool) -> None:
    """Restore the values of a revision on all chosen servers, or on none.

    Each server counts its own revisions; revision 0 is its start. The check and the confirmation are those of
    `conf set`.

    Example: lmcache-internal conf rollback --to 0 --config lmcache.yaml --index 1-4
    """
    _change(fleet, Request("/conf/rollback", {"to": str(number)}), yes, dry_run)


def _change(fleet: Fleet, request: Request, yes: bool, dry_run: bool) -> None:
    if not dry_run:
        require_terminal(fleet.screen, yes)
    checked = fleet.each(partial(check, request=request))
    checks = {outcome.target: outcome.data for outcome in checked if outcome.ok}
    if not fleet.screen.as_json:
        show_rows(fleet, checked, ["key", "old", "new"], _plan)
    needed = any(found.changes for found in checks.values())
    if dry_run or not needed or len(checks) < len(checked):
        _explain(fleet, checked, needed)
        return
    confirm(fleet.screen, yes, f"Apply this to {servers(len(checked))}?")
    _report(fleet, checks, _outcomes(fleet, lambda client: apply(client, request, checks[client.target])))


def _plan(found: Check) -> Iterator[tuple[str, ...]]:
    yield from ((name, shown(old), shown(new)) for name, (old, new) in found.changes.items())


def _explain(fleet: Fleet, checked: Sequence[Outcome], needed: bool) -> None:
    """Print why nothing is applied."""
    if fleet.screen.as_json:
        fleet.screen.json([outcome.map(lambda found: found.public(applied=False)).public() for outcome in checked])
    accepting = [outcome.target for outcome in checked if outcome.ok]
    if len(accepting) < len(checked):
        fleet.screen.note("Nothing was applied.")
        if accepting:
            fleet.screen.note(f"To exclude the servers that fail, repeat the command with: {_choice(fleet, accepting)}")
    elif needed:
        fleet.screen.note(f"{servers(len(checked))} would accept the change. Nothing was applied.")
    else:
        fleet.screen.note("Nothing to change: the servers have these values.")
    if fleet.screen.as_json:
        fleet.finish(checked)
    fleet.report_failures(checked)


def _choice(fleet: Fleet, targets: Sequence[Target]) -> str:
    return shlex.join(fleet.options(targets))


def _outcomes(fleet: Fleet, job: Job) -> list[Outcome]:
    """Return the outcome of each server, also if the user presses Ctrl-C."""
    found = {target: Outcome(target, error="interrupted before it answered", unsure=True) for target in fleet.targets}
    with contextlib.suppress(KeyboardInterrupt):
        for outcome in fleet.outcomes(job):
            found[outcome.target] = outcome
    return list(found.values())


def _report(fleet: Fleet, checks: dict[Target, Check], outcomes: list[Outcome]) -> None:
    """Print where the change was applied, and how to undo it."""
    shown_outcomes = [outcome if outcome.ok else replace(outcome, error=_result(outcome)) for outcome in outcomes]
    if fleet.screen.as_json:
        fleet.screen.json([outcome.public() for outcome in shown_outcomes])
    else:
        fleet.screen.show(
            fleet.fitted_table([outcome.map(lambda _: {"result": "applied"}) for outcome in shown_outcomes])
        )
    if unknown := [outcome.target for outcome in outcomes if outcome.unsure]:
        fleet.screen.note(f"To check: {fleet.hint(['conf', 'history'], unknown)}")
    for line in undo_commands(fleet, outcomes, lambda outcome: checks[outcome.target].undo):
        fleet.screen.note(f"To undo: {line}")
    fleet.finish(outcomes)


def _result(outcome: Outcome) -> str:
    return f"{'unknown (no response)' if outcome.unsure else 'not applied'}: {outcome.error}"
