"""The endpoints that change chosen ranks: the configuration as a transaction, and log levels.

The transaction is that of `conf set`: each rank checks the values in a dry run, and they are applied only if all ranks
accept them.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from flask import Blueprint, request

from ...errors import BadRequest, Conflict
from ..conf.transaction import Check, Request, apply, check
from ..conf.values import shown
from ..loglevel import put_level
from ..outcome import Outcome
from ..targets import Target
from .grouping import failures
from .reading import text
from .state import gateway

SECONDS = 15.0
"""The timeout of each step, for all ranks together."""

router = Blueprint("change", __name__, url_prefix="/fleet")
T = TypeVar("T")


class _Values(msgspec.Struct, forbid_unknown_fields=True):
    values: Annotated[dict[str, Any], msgspec.Meta(min_length=1)]
    ranks: list[int] | None = None


class _Accepted(msgspec.Struct, forbid_unknown_fields=True):
    id: str


class _Level(msgspec.Struct, forbid_unknown_fields=True):
    logger: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    level: Annotated[str, msgspec.Meta(min_length=1, max_length=16)]
    span: str = ""
    ranks: list[int] | None = None
    dry_run: bool = True


@router.post("/conf/check")
def check_values() -> dict[str, Any]:
    """Check values on the chosen ranks, and change nothing.

    The response has `id`, which applies the change, only if all ranks accept the values and one of them changes.
    """
    state, wanted = gateway(), _body(_Values)
    targets = state.targets(wanted.ranks)
    change = Request("/conf", {"atomic": "true"}, wanted.values)
    with state.job():
        outcomes = state.fleet.narrowed(targets, SECONDS).each(partial(check, request=change))
    checks = {outcome.target: outcome.data for outcome in outcomes if outcome.ok}
    changes = any(found.changes for found in checks.values())
    words = ["conf", "set", *(f"{name}={_written(value)}" for name, value in wanted.values.items())]
    return {
        "id": state.changes.keep(change, checks) if changes and len(checks) == len(targets) else None,
        "count": len(targets),
        "changes": _plan(checks),
        "failed": failures(outcomes, state.numbers),
        "command": state.fleet.hint(words, targets),
    }


@router.post("/conf/apply")
def apply_values() -> dict[str, Any]:
    """Apply a change that was checked.

    Raises:
        Conflict: it was applied before, or is too old (409).
    """
    state = gateway()
    found = state.changes.take(_body(_Accepted).id)
    if found is None:
        raise Conflict("This change was applied before, or its check is too old; check it again")
    targets = list(found.checks)
    with state.job():
        outcomes = state.fleet.narrowed(targets, SECONDS).each(
            lambda client: apply(client, found.request, found.checks[client.target])
        )
    done: dict[int, list[Target]] = {}
    for outcome in outcomes:
        if outcome.ok:
            done.setdefault(found.checks[outcome.target].revision, []).append(outcome.target)
    return {
        **_results(outcomes),
        "undo": [state.fleet.hint(["conf", "rollback", "--to", str(to)], same) for to, same in done.items()],
    }


@router.post("/loglevel")
def set_level() -> dict[str, Any]:
    """Set the level of a logger on the chosen ranks; with `dry_run`, only return the command that does the same."""
    state, wanted = gateway(), _body(_Level)
    targets = state.targets(wanted.ranks)
    words = ["loglevel", wanted.logger, wanted.level, *(["--for", wanted.span] if wanted.span else [])]
    command = {"command": state.fleet.hint(words, targets), "count": len(targets)}
    if wanted.dry_run:
        return command
    with state.job():
        outcomes = state.fleet.narrowed(targets, SECONDS).each(
            lambda client: put_level(client, wanted.logger, wanted.level, wanted.span or None)
        )
    return {**command, **_results(outcomes)}


def _results(outcomes: list[Outcome]) -> dict[str, Any]:
    """Return where a change was applied, where it was not, and where that is unknown."""
    numbers = gateway().numbers
    return {
        "applied": numbers([outcome.target for outcome in outcomes if outcome.ok]),
        "failed": failures([outcome for outcome in outcomes if not outcome.unsure], numbers),
        "unknown": failures([outcome for outcome in outcomes if outcome.unsure], numbers),
    }


def _plan(checks: dict[Target, Check]) -> list[dict[str, Any]]:
    """Return each old and new value with the ranks where they differ."""
    found: dict[tuple[str, str, str], list[Target]] = {}
    for target, checked in checks.items():
        for name, (old, new) in checked.changes.items():
            found.setdefault((text(name), text(shown(old)), text(shown(new))), []).append(target)
    numbers = gateway().numbers
    return [{"name": name, "old": old, "new": new, "ranks": numbers(same)} for (name, old, new), same in found.items()]


def _written(value: Any) -> str:
    """Return a value as `conf set` takes it."""
    return value if isinstance(value, str) else shown(value)


def _body(kind: type[T]) -> T:
    """Return the JSON body of the request; raises `BadRequest` (400)."""
    try:
        return msgspec.json.decode(request.get_data(), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"Invalid body: {error}") from error
