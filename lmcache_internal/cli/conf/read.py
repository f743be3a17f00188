"""`conf get` and `conf history`: read the live configuration and its changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from ..client import Client, Failure
from ..commands import Command
from ..fleet import Fleet
from ..group_rows import show_grouped
from ..options import fleet_options
from ..units import UNKNOWN
from .mp_config import read_mp_config
from .values import shown, unknown_keys

_COLUMNS = ("value", "default", "source", "type", "takes_effect")
_JSON = ("value", "default")


@click.command(cls=Command)
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--details", is_flag=True, help="Show default, source, type and effect, too; with --json, all fields.")
@fleet_options()
def get(fleet: Fleet, keys: tuple[str, ...], details: bool) -> None:
    """Show the configuration, or the given KEYs.

    Values are JSON, with secrets masked. If ranks differ, a key has a row for each value. The keys of an MP server are
    paths, such as mp.chunk_size; a section, such as mp, shows all keys in it.

    Example: lmcache-internal conf get min_retrieve_tokens --config lmcache.yaml
    """

    def read(client: Client) -> dict[str, Any]:
        if client.target.mp:
            return read_mp_config(client, keys, details)
        found = fetch_details(client) if details else client.json("GET", "/conf", dict[str, Any])
        if missing := unknown_keys([name for name in keys if name not in found], found):
            raise Failure(missing)
        return {name: found[name] for name in keys or found}

    columns = ["key", *(field.replace("_", " ") for field in (_COLUMNS if details else _COLUMNS[:1]))]
    show_grouped(fleet, fleet.each(read), columns, _detailed if details else _plain)


@click.command(cls=Command)
@fleet_options(ranks=True)
def history(fleet: Fleet) -> None:
    """List the changes since the start of each server, which is revision 0.

    `conf rollback --to N` restores the values of revision N.

    Example: lmcache-internal conf history --config lmcache.yaml --index 1
    """
    outcomes = fleet.each(lambda client: client.json("GET", "/conf/history", dict[str, Any])["revisions"])
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    outcomes = [outcome.map(_revisions) for outcome in outcomes]
    rows = [
        [*outcome.target.cells(short=True).values(), *row]
        for outcome in outcomes
        for row in (outcome.data if outcome.ok else ())
    ]
    if rows:
        fleet.screen.show(fleet.screen.table(["server", "revision", "time (utc)", "changes"], rows))
    fleet.report_failures(outcomes)


def fetch_details(client: Client) -> dict[str, dict[str, Any]]:
    """Return the fields of each key; raises `Failure` if the server answers with the values only."""
    found = client.json("GET", "/conf", dict[str, Any], params={"details": True})
    if not all(isinstance(fields, dict) and fields.keys() >= set(_COLUMNS) for fields in found.values()):
        raise Failure("/conf answered with the values only, without details, as LMCache's own server does")
    return dict(found)


def _plain(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield from ((name, shown(value)) for name, value in found.items())


def _detailed(found: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name, fields in found.items():
        yield name, *(shown(fields[field]) if field in _JSON else fields[field] for field in _COLUMNS)


def _revisions(revisions: list[dict[str, Any]]) -> list[list[object]]:
    return [["0", UNKNOWN, "(start)"], *map(_revision, revisions)]


def _revision(revision: dict[str, Any]) -> list[object]:
    changes = revision["changes"].items()
    lines = [f"{name}: {shown(change['old'])} → {shown(change['new'])}" for name, change in changes]
    note = ["(rollback)"] if revision["rollback"] else []
    return [str(revision["number"]), revision["time"][:19].replace("T", " "), [*note, *lines]]
