"""`quota`: how much of the cache of MP servers each tenant (cache salt) may use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import click
import msgspec

from .client import Client
from .commands import DefaultGroup
from .confirm import confirm, require_terminal, yes_option
from .fleet import Fleet
from .options import fleet_options
from .outcome import Outcome
from .salts import ANONYMOUS
from .units import UNKNOWN, percent, servers, size

_GIB = 1 << 30
_Gib = Annotated[float, msgspec.Meta(ge=0)]


class _Usage(msgspec.Struct):
    limit_gb: _Gib
    current_usage_gb: _Gib


class _Quota(_Usage):
    exists: bool = True


class _Users(msgspec.Struct):
    users: dict[str, _Usage]


def _salt(_: click.Context, __: click.Parameter, text: str) -> str:
    if text in (".", "..") or "/" in text:
        raise click.BadParameter(f"{text!r} cannot be a part of a path; a salt has no slash.")
    return text or ANONYMOUS


def _limit(_: click.Context, __: click.Parameter, value: float) -> float:
    if not (math.isfinite(value) and 0 <= value <= 1e9):
        raise click.BadParameter(f"expected 0 to 1e9 GiB, got {value:g}")
    return value


_salt_argument = click.argument("salt", callback=_salt)
_dry_run_option = click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")


@click.group(cls=DefaultGroup)
def quota() -> None:
    """List, set and delete quotas of MP servers; `list` is the default.

    SALT is the cache salt of a tenant; `_default` is that of anonymous requests. A quota limits L2 if the server evicts
    by tenant (the eviction policy IsolatedLRU). In a mixed fleet, only MP servers are asked; without
    options that choose servers, the one at http://127.0.0.1:8080.
    """


@quota.command("list")
@fleet_options(mp=True)
def list_quotas(fleet: Fleet) -> None:
    """List the quotas of each server, with their usage.

    Example: lmcache-internal quota --url http://10.0.0.1:8080
    """
    outcomes = fleet.each(lambda client: msgspec.to_builtins(client.json("GET", "/quota", _Users)))
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    rows = [
        [*outcome.target.cells(short=True).values(), salt, *_cells(usage).values()]
        for outcome in outcomes
        for salt, usage in sorted(outcome.data["users"].items() if outcome.ok else ())
    ]
    if rows:
        fleet.screen.show(fleet.screen.table(["server", "cache salt", "limit", "usage", "used"], rows))
    elif any(outcome.ok for outcome in outcomes):
        fleet.screen.note("There are no quotas.")
    fleet.report_failures(outcomes)


@quota.command("get")
@_salt_argument
@fleet_options(mp=True)
def get_quota(fleet: Fleet, salt: str) -> None:
    """Show the quota and the usage of SALT on each server.

    Example: lmcache-internal quota get alice --url http://10.0.0.1:8080
    """
    fleet.show(fleet.each(lambda client: _fetch(client, salt)), _quota_cells)


@quota.command("set")
@_salt_argument
@click.option("--limit-gb", type=float, required=True, callback=_limit, metavar="GIB", help="The limit in GiB.")
@yes_option
@_dry_run_option
@fleet_options(changes=True, mp=True)
def set_quota(fleet: Fleet, salt: str, limit_gb: float, yes: bool, dry_run: bool) -> None:
    """Set the quota of SALT on all chosen servers.

    A usage above the new limit is evicted within seconds, so the command asks for confirmation then. If a server does
    not answer, nothing is changed.

    Example: lmcache-internal quota set alice --limit-gb 0.5 --url http://10.0.0.1:8080
    """

    def send(client: Client) -> dict[str, Any]:
        client.json("PUT", f"/quota/{quote(salt, safe='')}", dict[str, Any], json={"limit_gb": limit_gb})
        return _fetch(client, salt)

    plan = _plan(fleet, salt, limit_gb)
    if not _is_ready(fleet, plan, dry_run):
        return
    over = [outcome for outcome in plan if outcome.data["current_usage_gb"] > limit_gb]
    if over:
        question = f"The usage of {salt} is above the limit on {servers(len(over))}, and is evicted. Set it?"
        confirm(fleet.screen, yes, question)
    fleet.show(fleet.each(send), _quota_cells)


@quota.command("delete")
@_salt_argument
@yes_option
@_dry_run_option
@fleet_options(changes=True, mp=True)
def delete_quota(fleet: Fleet, salt: str, yes: bool, dry_run: bool) -> None:
    """Delete the quota of SALT on all chosen servers.

    An LMCache server that evicts by tenant treats a missing quota as 0: it evicts all objects of the tenant. If a
    server does not answer, nothing is changed.

    Example: lmcache-internal quota delete alice --url http://10.0.0.1:8080
    """

    def send(client: Client) -> dict[str, Any]:
        answer = client.json("DELETE", f"/quota/{quote(salt, safe='')}", dict[str, Any])
        return {"status": answer["status"]}

    if not dry_run:
        require_terminal(fleet.screen, yes)
    plan = _plan(fleet, salt, None)
    if not _is_ready(fleet, plan, dry_run):
        return
    confirm(fleet.screen, yes, f"Delete the quota of {salt} on {servers(len(plan))}? The server may evict its objects.")
    fleet.show(fleet.each(send), dict)


def _fetch(client: Client, salt: str) -> dict[str, Any]:
    return dict(msgspec.to_builtins(client.json("GET", f"/quota/{quote(salt, safe='')}", _Quota)))


def _plan(fleet: Fleet, salt: str, limit_gb: float | None) -> list[Outcome]:
    """Return the quota of each server, with the new limit; None is no quota."""
    outcomes = fleet.each(lambda client: _fetch(client, salt))
    return [outcome.map(lambda data: data | {"new_limit_gb": limit_gb}) for outcome in outcomes]


def _is_ready(fleet: Fleet, plan: Sequence[Outcome], dry_run: bool) -> bool:
    """Whether the change can be sent; if not, print the plan, and end with status 1 if a server failed."""
    if all(outcome.ok for outcome in plan) and not dry_run:
        return True
    fleet.screen.note("Nothing was changed.")
    fleet.show(plan, _plan_cells)
    return False


def _plan_cells(data: Mapping[str, Any]) -> dict[str, object]:
    new = data["new_limit_gb"]
    return {
        "old": _limit_of(data),
        "new": UNKNOWN if new is None else size(new * _GIB),
        "usage": size(data["current_usage_gb"] * _GIB),
    }


def _quota_cells(data: Mapping[str, Any]) -> dict[str, object]:
    return _cells(data) | {"limit": _limit_of(data)}


def _limit_of(data: Mapping[str, Any]) -> str:
    return size(data["limit_gb"] * _GIB) if data["exists"] else UNKNOWN


def _cells(data: Mapping[str, Any]) -> dict[str, object]:
    limit, used = data["limit_gb"], data["current_usage_gb"]
    return {
        "limit": size(limit * _GIB),
        "usage": size(used * _GIB),
        "used": percent(used / limit) if limit else UNKNOWN,
    }
