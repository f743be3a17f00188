"""`routes`: list the endpoints of the servers."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from .client import Client
from .commands import Command
from .fleet import Fleet
from .options import fleet_options
from .outcome import Outcome
from .units import UNKNOWN

_COLUMNS = ("method", "path", "access", "summary")


_METHODS = ("get", "put", "post", "patch", "delete")


class _Route(msgspec.Struct):
    method: str
    path: str
    access: str
    summary: str


class _Operation(msgspec.Struct, rename={"access": "x-access"}):
    summary: str = ""
    access: str = UNKNOWN


class _Document(msgspec.Struct):
    paths: dict[str, dict[str, Any]]


@click.command(cls=Command)
@fleet_options()
def routes(fleet: Fleet) -> None:
    """List the endpoints, the role that each needs, and its summary.

    If only some of the servers have an endpoint, its row names them.

    Example: lmcache-internal routes --index 1
    """
    outcomes = fleet.each(_fetch)
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    if rows := _rows([outcome for outcome in outcomes if outcome.ok]):
        fleet.screen.show(fleet.screen.table(_COLUMNS, rows))
    fleet.report_failures(outcomes)


def _fetch(client: Client) -> list[dict[str, Any]]:
    if client.target.mp:
        return _documented(client.json("GET", "/openapi.json", _Document))
    return list(msgspec.to_builtins(client.json("GET", "/", list[_Route])))


def _documented(document: _Document) -> list[dict[str, Any]]:
    """Return the endpoints in an API document; LMCache's own does not say which role an endpoint needs."""
    return [
        {"method": method.upper(), "path": path, "access": found.access, "summary": found.summary}
        for path, methods in document.paths.items()
        for method, operation in methods.items()
        if method in _METHODS
        for found in (msgspec.convert(operation, _Operation),)
    ]


def _rows(outcomes: list[Outcome]) -> list[list[object]]:
    owners: dict[tuple[str, str], list[Outcome]] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for outcome in outcomes:
        for route in outcome.data:
            key = (route["path"], route["method"])
            owners.setdefault(key, []).append(outcome)
            found.setdefault(key, route)
    rows: list[list[object]] = []
    for key in sorted(found):
        only = [owner.target.short_name for owner in owners[key]]
        note = f" (only {', '.join(only)})" if len(only) < len(outcomes) else ""
        rows.append([found[key][name] + (note if name == "summary" else "") for name in _COLUMNS])
    return rows
