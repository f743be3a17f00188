"""A change of the configuration on several servers: tried on all of them first, then made on all or explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...redaction import MASK
from ..client import Client, Failure


@dataclass(frozen=True)
class Request:
    """What changes the configuration, and can be tried with `dry_run=true`.

    Attributes:
        path: of the endpoint; it is sent a POST.
        params: its query.
        values: its JSON body, or None.
    """

    path: str
    params: Mapping[str, str]
    values: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Trial:
    """What one server said to the dry run.

    Attributes:
        tag: the entity tag of the configuration that was looked at.
        revision: the number of its last change; rolling back to it undoes this one.
        changes: old and new value by key, secrets masked; none where nothing would change.
    """

    tag: str
    revision: int
    changes: Mapping[str, tuple[Any, Any]]

    def public(self, applied: bool) -> dict[str, Any]:
        """What `--json` says of it."""
        changes = {name: {"old": old, "new": new} for name, (old, new) in self.changes.items()}
        return {"applied": applied, "changes": changes, "revision_before": self.revision}


def attempt(client: Client, request: Request) -> Trial:
    """Try it on one server; raises `Failure` where that refuses it."""
    live = client.request("GET", "/conf")
    tag = live.headers.get("ETag")
    if tag is None:
        # LMCache's own server takes a dry run for a change.
        raise Failure("it has no dry run, as LMCache's own server has none; nothing was sent")
    revisions = client.json("GET", "/conf/history")["revisions"]
    old, new = live.json(), _send(client, request, tag, dry_run=True)["updated"]
    return Trial(
        tag,
        revisions[-1]["number"] if revisions else 0,
        # What is masked may differ all the same.
        {name: (old.get(name), value) for name, value in new.items() if old.get(name) != value or MASK in str(value)},
    )


def apply(client: Client, request: Request, trial: Trial) -> dict[str, Any]:
    """Make the change where it was tried, if nothing has changed since; raises `Failure` otherwise."""
    _send(client, request, trial.tag)
    return trial.public(applied=True)


def _send(client: Client, request: Request, tag: str, dry_run: bool = False) -> Any:
    params = {**request.params, **({"dry_run": "true"} if dry_run else {})}
    try:
        return client.json("POST", request.path, params=params, json=request.values, headers={"If-Match": tag})
    except Failure as failure:
        raise Failure(_words(failure), failure.status, failure.body, failure.unsure) from failure


def _words(failure: Failure) -> str:
    if failure.status == 412:
        return "the configuration has changed meanwhile; look at it with `conf history`, and try again"
    errors = failure.body.get("errors") if isinstance(failure.body, dict) else None
    return "; ".join(f"{name}: {reason}" for name, reason in errors.items()) if errors else str(failure)
