"""Engine configuration: read, update in a transaction, roll back."""

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from flask import Blueprint, Response

from lmcache_internal.api import (
    BadRequest,
    Configuration,
    EngineUnavailable,
    History,
    JsonBody,
    Meta,
    Names,
    NotFound,
    PreconditionFailed,
    PublicRevision,
    Role,
    adapter,
    config,
    entity_tag,
    history_of,
    masked,
    note,
    operation,
    public_changes,
    redact,
    require_match,
    runtime,
    tagged,
)

router = Blueprint("conf", __name__)


class Refused(TypedDict):
    """An error for each rejected key; nothing is updated."""

    updated: dict[str, Any]
    errors: dict[str, str]


class _Values(TypedDict):
    updated: dict[str, Any]


class Updated(_Values, total=False):
    """The updated keys and values; with `dry_run`, those that would be updated."""

    dry_run: bool


class PartlyUpdated(Updated, total=False):
    """The updated keys and values, and an error for each rejected key."""

    errors: dict[str, str]


class Revisions(TypedDict):
    """Configuration changes, oldest first."""

    revisions: list[PublicRevision]


@router.get("/conf")
@operation(
    action="read the configuration",
    media="text-json",
    cheap=True,
    inline=True,
    errors=(EngineUnavailable, PreconditionFailed),
)
def read_config(names: Names | None = None, details: bool = False) -> Annotated[Response, dict[str, Any]]:
    """Show the configuration, with secrets masked.

    With `names`, only these keys; with `details=true`, also type, default, source and mutability of each key.
    """
    found = _configuration()
    values = found.values()
    whole = masked(values)
    require_match(whole.tag)
    chosen = {name: values[name] for name in names if name in values} if names else values
    if details:
        history = history_of(adapter())
        described = {name: found.details(name, value, history) for name, value in chosen.items()}
        return tagged(described, "text-json", whole.tag)
    return tagged((masked(chosen) if names else whole).text, "text", whole.tag)


@router.post("/conf")
@operation(
    action="set the configuration",
    access=Role.ADMIN,
    exclusive=True,
    errors=(Annotated[BadRequest, Refused], PreconditionFailed),
)
def set_config(values: JsonBody, atomic: bool = False, dry_run: bool = False) -> Annotated[Response, PartlyUpdated]:
    """Update configuration values.

    All values are checked first; the valid ones are then applied together. With `atomic=true`, one invalid value
    rejects the whole request. With `dry_run=true`, nothing is applied.
    """
    found = _configuration()
    accepted, errors = found.check(values)
    if errors and (atomic or not accepted):
        raise _refusal(errors, found)
    require_match(entity_tag(found.values()))
    if not dry_run:
        _change(history_of(adapter()), found, accepted)
    body: PartlyUpdated = {"updated": redact(accepted)}
    if errors:
        body["errors"] = errors
    return _answer(body, found, dry_run)


@router.get("/conf/history")
@operation(action="read the configuration's history", media="pretty", cheap=True, errors=(EngineUnavailable,))
def read_history() -> Revisions:
    """List the last 100 configuration changes since the start, with secrets masked."""
    return {"revisions": [revision.public() for revision in history_of(adapter()).revisions()]}


@router.post("/conf/rollback")
@operation(
    action="roll the configuration back",
    access=Role.ADMIN,
    strict=True,
    exclusive=True,
    errors=(Annotated[BadRequest, Refused], NotFound, PreconditionFailed),
)
def roll_back(to: Annotated[int, Meta(ge=0)], dry_run: bool = False) -> Annotated[Response, Updated]:
    """Roll the configuration back to a revision.

    Restores the values after revision `to`, all or none; 0 is the start. With `dry_run=true`, nothing is applied.
    """
    found, history = _configuration(), history_of(adapter())
    values = found.differing(history.values_after(to))
    errors = found.guarded(values)
    if errors:
        raise _refusal(errors, found)
    require_match(entity_tag(found.values()))
    updated = redact(values) if dry_run else _change(history, found, values, rollback=True)
    return _answer({"updated": updated}, found, dry_run)


def _configuration() -> Configuration:
    return Configuration(config(), runtime().definitions)


def _change(
    history: History, found: Configuration, values: Mapping[str, object], rollback: bool = False
) -> dict[str, Any]:
    """Apply and audit a change; return the changed values, with secrets masked."""
    changes = history.change(found.config, values, rollback)
    note(changes=public_changes(changes))
    updated: dict[str, Any] = redact({name: change.new for name, change in changes.items()})
    return updated


def _answer(body: Updated, found: Configuration, dry_run: bool) -> Response:
    if dry_run:
        body["dry_run"] = True
    return tagged(body, "json", entity_tag(found.values()))


def _refusal(errors: dict[str, str], found: Configuration) -> BadRequest:
    payload: Refused = {"updated": {}, "errors": errors}
    return BadRequest("Nothing was updated", payload=payload, headers={"ETag": entity_tag(found.values())})
