"""Change the configuration of several servers: check it on all of them first, then apply it.

The entity tag of the check goes with the change, so that a server refuses it if its configuration changed in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from ...redaction import MASK
from ..client import Client, Failure


class _Revision(msgspec.Struct):
    number: int


class _History(msgspec.Struct):
    revisions: list[_Revision]


@dataclass(frozen=True)
class Request:
    """A request that changes the configuration, and that can be checked with `dry_run=true`.

    Attributes:
        path: the path of the endpoint, for a POST.
        params: the query.
        values: the JSON body, or None.
    """

    path: str
    params: Mapping[str, str]
    values: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Check:
    """The answer of one server to the dry run.

    Attributes:
        tag: the entity tag of the configuration that was checked.
        revision: the number of the last change; a rollback to it undoes this one.
        changes: the old and the new value by key, with secrets masked; only of keys that change.
    """

    tag: str
    revision: int
    changes: Mapping[str, tuple[Any, Any]]

    @property
    def undo(self) -> list[str]:
        """The command that undoes the change."""
        return ["conf", "rollback", "--to", str(self.revision)]

    def public(self, applied: bool) -> dict[str, Any]:
        """Return the data of this server in `--json`."""
        changes = {name: {"old": old, "new": new} for name, (old, new) in self.changes.items()}
        return {"applied": applied, "changes": changes, "revision_before": self.revision}


def check(client: Client, request: Request) -> Check:
    """Check a change on one server; raises `Failure` if the server refuses it."""
    live = client.request("GET", "/conf")
    tag = live.headers.get("ETag")
    if tag is None:
        # LMCache's own server would apply a dry run.
        raise Failure("the server has no dry run, as LMCache's own server; nothing was sent")
    revisions = client.json("GET", "/conf/history", _History).revisions
    old, new = live.json(dict[str, Any]), _send(client, request, tag, dry_run=True)["updated"]
    return Check(
        tag,
        revisions[-1].number if revisions else 0,
        # Two masked values may differ.
        {name: (old.get(name), value) for name, value in new.items() if old.get(name) != value or MASK in str(value)},
    )


def apply(client: Client, request: Request, checked: Check) -> dict[str, Any]:
    """Apply a change that was checked; raises `Failure`, also if the configuration changed since the check."""
    _send(client, request, checked.tag)
    return checked.public(applied=True)


def _send(client: Client, request: Request, tag: str, dry_run: bool = False) -> Any:
    params = {**request.params, **({"dry_run": "true"} if dry_run else {})}
    try:
        return client.json(
            "POST", request.path, dict[str, Any], params=params, json=request.values, headers={"If-Match": tag}
        )
    except Failure as failure:
        raise Failure(_reason(failure), failure.status, failure.body, failure.unsure, failure.unreachable) from failure


def _reason(failure: Failure) -> str:
    if failure.status == 412:
        return "the configuration changed in between; check `conf history`, and try again"
    errors = failure.body.get("errors") if isinstance(failure.body, dict) else None
    return "; ".join(f"{name}: {reason}" for name, reason in errors.items()) if errors else str(failure)
