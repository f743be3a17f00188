"""`conf get` and `conf history`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from ...conversion import suggestion
from ..client import Client, Failure
from ..fleet import Fleet
from ..group_rows import show_spread
from ..options import fleet_options
from ..units import UNKNOWN
from .values import shown

_COLUMNS = ("value", "default", "source", "type", "takes_effect")
_JSON = ("value", "default")


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--details", is_flag=True, help="Also default, source, type and effect; with --json, all there is.")
@fleet_options()
def get(fleet: Fleet, keys: tuple[str, ...], details: bool) -> None:
    """Show the configuration, or the given KEYs.

    Values are JSON, secrets masked. Where ranks differ, a key has a row for each value.

    Example: lmcache-internal conf get min_retrieve_tokens --config lmcache.yaml
    """

    def read(client: Client) -> dict[str, Any]:
        found = fetch_details(client) if details else client.json("GET", "/conf")
        unknown = [_unknown(name, found) for name in keys if name not in found]
        if unknown:
            raise Failure("; ".join(unknown))
        return {name: found[name] for name in keys or found}

    columns = ["key", *(field.replace("_", " ") for field in (_COLUMNS if details else _COLUMNS[:1]))]
    show_spread(fleet, fleet.each(read), columns, _detailed if details else _plain)


@click.command()
@fleet_options()
def history(fleet: Fleet) -> None:
    """List the changes since each server's start; revision 0 is the start itself.

    `conf rollback --to N` brings back the values after revision N.

    Example: lmcache-internal conf history --config lmcache.yaml --index 1
    """
    outcomes = fleet.each(lambda client: client.json("GET", "/conf/history")["revisions"])
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    rows = [
        [*outcome.target.cells(short=True).values(), *row]
        for outcome in outcomes
        if outcome.ok
        for row in _revisions(outcome.data)
    ]
    if rows:
        fleet.screen.show(fleet.screen.table(["server", "revision", "time (utc)", "changes"], rows))
    fleet.complain(outcomes)


def fetch_details(client: Client) -> dict[str, dict[str, Any]]:
    """What a server says of each key; raises `Failure` where that is its value alone."""
    found = client.json("GET", "/conf", params={"details": True})
    if not all(isinstance(told, dict) and told.keys() >= set(_COLUMNS) for told in found.values()):
        raise Failure("it tells the values of its keys and no more, as LMCache's own server does")
    return dict(found)


def _plain(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield from ((name, shown(value)) for name, value in found.items())


def _detailed(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, told in found.items():
        yield name, *(shown(told[field]) if field in _JSON else told[field] for field in _COLUMNS)


def _unknown(name: str, known: Mapping[str, Any]) -> str:
    return f"there is no key {name!r}{suggestion(name, known)}"


def _revisions(revisions: list[dict[str, Any]]) -> Iterator[list[str]]:
    yield ["0", UNKNOWN, "(start)"]
    for revision in revisions:
        changes = revision["changes"].items()
        lines = [f"{name}: {shown(change['old'])} → {shown(change['new'])}" for name, change in changes]
        note = ["(rollback)"] if revision["rollback"] else []
        yield [str(revision["number"]), revision["time"][:19].replace("T", " "), "\n".join([*note, *lines])]
