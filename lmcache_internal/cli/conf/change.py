"""`conf set` and `conf rollback`: everywhere or nowhere."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import click

from ..confirm import ask, require_consent, yes_option
from ..fleet import Fleet, Job, Outcome
from ..group_rows import show_rows
from ..options import fleet_options
from ..targets import Target, ranks
from ..units import servers
from .transaction import Request, Trial, apply, attempt
from .values import parse_pairs, shown

_dry_run_option = click.option("--dry-run", is_flag=True, help="Check it everywhere, and change nothing.")


@click.command("set")
@click.argument("pairs", nargs=-1, required=True, metavar="KEY=VALUE...")
@yes_option
@_dry_run_option
@fleet_options(changes=True)
def set_values(fleet: Fleet, pairs: tuple[str, ...], yes: bool, dry_run: bool) -> None:
    """Set configuration values on all chosen servers, or on none.

    A VALUE is JSON (true, 512, null, [0,1]) or else text. Every server is asked first whether it would take all
    of them, and what that would change. Only if every one would, they are set; where the configuration has changed
    in between, they are not, and the command says where it did what.

    Example: lmcache-internal conf set min_retrieve_tokens=512 --config lmcache.yaml --all
    """
    _change(fleet, Request("/conf", {"atomic": "true"}, parse_pairs(pairs)), yes, dry_run)


@click.command()
@click.option("--to", "number", type=click.IntRange(0), required=True, help="A revision; `conf history` lists them.")
@yes_option
@_dry_run_option
@fleet_options(changes=True)
def rollback(fleet: Fleet, number: int, yes: bool, dry_run: bool) -> None:
    """Bring back the values after a revision on all chosen servers, or on none; 0 is the start.

    Each server counts its own revisions. Checked and asked for as with `conf set`.

    Example: lmcache-internal conf rollback --to 0 --config lmcache.yaml --index 1-4
    """
    _change(fleet, Request("/conf/rollback", {"to": str(number)}), yes, dry_run)


def _change(fleet: Fleet, request: Request, yes: bool, dry_run: bool) -> None:
    if not dry_run:
        require_consent(fleet.screen, yes)
    tried = fleet.each(partial(attempt, request=request))
    trials = {outcome.target: outcome.data for outcome in tried if outcome.ok}
    if not fleet.screen.as_json:
        show_rows(fleet, tried, ["key", "old", "new"], _plan)
    needed = any(trial.changes for trial in trials.values())
    if dry_run or not needed or len(trials) < len(tried):
        _leave(fleet, tried, needed)
        return
    ask(fleet.screen, yes, f"Apply this to {servers(len(tried))}?")
    _report(fleet, trials, _outcomes(fleet, lambda client: apply(client, request, trials[client.target])))


def _plan(trial: Trial) -> Iterator[tuple[str, ...]]:
    yield from ((name, shown(old), shown(new)) for name, (old, new) in trial.changes.items())


def _leave(fleet: Fleet, tried: Sequence[Outcome], needed: bool) -> None:
    """Say why nothing is applied."""
    if fleet.screen.as_json:
        fleet.screen.json([outcome.map(lambda trial: trial.public(applied=False)).public() for outcome in tried])
    willing = [outcome.target for outcome in tried if outcome.ok]
    if len(willing) < len(tried):
        others = f" To leave out those that fail: {_options(willing)}." if willing else ""
        fleet.screen.note(f"Nothing was applied anywhere.{others}")
    elif needed:
        fleet.screen.note(f"{servers(len(tried))} would take it. Nothing was applied.")
    else:
        fleet.screen.note("Nothing to change: these values are what is there.")
    if fleet.screen.as_json:
        fleet.finish(tried)
    fleet.complain(tried)


def _outcomes(fleet: Fleet, job: Job) -> list[Outcome]:
    """What became of each; also where the operator does not wait for it."""
    found = {target: Outcome(target, error="interrupted before it answered", unsure=True) for target in fleet.targets}
    with contextlib.suppress(KeyboardInterrupt):
        for outcome in fleet.outcomes(job):
            found[outcome.target] = outcome
    return list(found.values())


def _report(fleet: Fleet, trials: dict[Target, Trial], outcomes: list[Outcome]) -> None:
    """Say exactly where it was applied, and how to undo that."""
    told = [outcome if outcome.ok else replace(outcome, error=_words(outcome)) for outcome in outcomes]
    if fleet.screen.as_json:
        fleet.screen.json([outcome.public() for outcome in told])
    else:
        fleet.screen.show(fleet.table(told, lambda _: {"result": "applied"}))
    done: defaultdict[int, list[Target]] = defaultdict(list)
    for outcome in told:
        if outcome.ok:
            done[trials[outcome.target].revision].append(outcome.target)
    for revision, targets in done.items():
        fleet.screen.note(f"To undo it: conf rollback --to {revision} {_options(targets)}")
    fleet.finish(told)


def _words(outcome: Outcome) -> str:
    return (
        f"perhaps applied (ask `conf history`): {outcome.error}" if outcome.unsure else f"not applied: {outcome.error}"
    )


def _options(targets: Sequence[Target]) -> str:
    """The options that name these servers and no others."""
    if all(target.index is not None for target in targets):
        return f"--index {ranks(targets)}"
    return " ".join(f"--{'socket' if target.socket_path else 'url'} {target.address}" for target in targets)
