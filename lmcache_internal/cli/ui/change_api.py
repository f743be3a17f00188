"""The endpoints that change chosen ranks as a transaction: the configuration, and log levels.

The transactions are those of `conf set` and `loglevel`: each rank checks the change, and it is applied only if all
ranks accept it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import msgspec
from flask import Blueprint

from ...errors import Conflict
from ..conf.transaction import Check, Request, apply, check
from ..conf.values import shown
from ..fleet import Job
from ..level_change import LevelChange, LevelCheck, apply_level, check_level
from ..outcome import Outcome
from ..targets import Target
from ..undo import undo_commands
from .body import body_of
from .changes import Accepted
from .grouping import failures
from .reading import text
from .state import gateway

SECONDS = 15.0
"""The timeout of each step, for all ranks together."""
MAX_NOTES = 20

router = Blueprint("change", __name__, url_prefix="/fleet")
_Step = tuple[Target, str, str, str]
"""What changes on one rank: its target, a name, the old and the new value."""


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


@router.post("/conf/check")
def check_values() -> dict[str, Any]:
    """Check values on the chosen ranks, and change nothing.

    The response has `id`, which applies the change, only if all ranks accept the values and one of them changes.
    """
    wanted = body_of(_Values)
    change = Request("/conf", {"atomic": "true"}, wanted.values)
    outcomes = _asked(wanted.ranks, partial(check, request=change))
    checks = _checks(outcomes)
    accepted = Accepted(
        list(checks),
        lambda client: apply(client, change, checks[client.target]),
        lambda outcome: checks[outcome.target].undo,
    )
    words = ["conf", "set", *(f"{name}={_written(value)}" for name, value in wanted.values.items())]
    needed = any(found.changes for found in checks.values())
    return _proposal(outcomes, accepted if needed else None, _conf_plan(checks), words)


@router.post("/loglevel/check")
def check_log_level() -> dict[str, Any]:
    """Check the level of a logger on the chosen ranks, and set nothing; `id` applies it, if all ranks accept it."""
    wanted = body_of(_Level)
    change = LevelChange(wanted.logger, wanted.level, wanted.span or None)
    outcomes = _asked(wanted.ranks, partial(check_level, change=change))
    checks: dict[Target, LevelCheck] = _checks(outcomes)
    accepted = Accepted(
        list(checks),
        lambda client: apply_level(client, change, checks[client.target]),
        lambda outcome: ["loglevel", change.logger, outcome.data["before"]],
    )
    words = ["loglevel", change.logger, change.level, *(["--for", change.span] if change.span else [])]
    plan = [(target, change.logger, found.before, found.level) for target, found in checks.items()]
    notes = sorted({text(found.message) for found in checks.values() if found.message})
    return {**_proposal(outcomes, accepted, plan, words), "notes": notes[:MAX_NOTES]}


@router.post("/apply")
def apply_change() -> dict[str, Any]:
    """Apply a change that was checked.

    Raises:
        Busy: too many requests to the fleet are in progress; the change can be tried again (503).
        Conflict: it was applied before, or is too old, or a rank is no longer listed (409).
    """
    state = gateway()
    wanted = body_of(_Accepted)
    with state.job():  # Without a slot, the change is not taken, so that it can be tried again.
        found = state.changes.take(wanted.id)
        if found is None:
            raise Conflict("This change was applied before, or its check is too old; check it again")
        state.check_listed(found.targets)
        outcomes = state.fleet.narrowed(found.targets, SECONDS).each(found.apply)
    return {
        "applied": state.label([outcome.target for outcome in outcomes if outcome.ok]),
        "failed": failures([outcome for outcome in outcomes if not outcome.unsure], state.label),
        "unknown": failures([outcome for outcome in outcomes if outcome.unsure], state.label),
        "undo": undo_commands(state.fleet, outcomes, found.undo),
    }


def _asked(numbers: list[int] | None, job: Job) -> list[Outcome]:
    """Do `job` at the chosen ranks."""
    state = gateway()
    with state.job():
        return state.fleet.narrowed(state.targets(numbers), SECONDS).each(job)


def _checks(outcomes: Sequence[Outcome]) -> dict[Target, Any]:
    return {outcome.target: outcome.data for outcome in outcomes if outcome.ok}


def _proposal(
    outcomes: Sequence[Outcome], change: Accepted | None, plan: Iterable[_Step], words: Sequence[str]
) -> dict[str, Any]:
    """Return what the page shows before a change; it can be applied only if all ranks accept it."""
    state = gateway()
    found: dict[tuple[str, str, str], list[Target]] = {}
    for target, *step in plan:
        found.setdefault((text(step[0]), text(step[1]), text(step[2])), []).append(target)
    return {
        "id": state.changes.keep(change) if change and all(outcome.ok for outcome in outcomes) else None,
        "count": len(outcomes),
        "changes": [
            {"name": name, "old": old, "new": new, "ranks": state.label(same)}
            for (name, old, new), same in found.items()
        ],
        "failed": failures(outcomes, state.label),
        "command": state.fleet.hint(words, [outcome.target for outcome in outcomes]),
    }


def _conf_plan(checks: Mapping[Target, Check]) -> Iterator[_Step]:
    for target, checked in checks.items():
        for name, (old, new) in checked.changes.items():
            yield target, name, shown(old), shown(new)


def _written(value: Any) -> str:
    """Return a value as `conf set` takes it."""
    return value if isinstance(value, str) else shown(value)
