"""`objects`: list and delete the cached objects of MP servers."""

from __future__ import annotations

from collections.abc import Sequence

import click
import msgspec

from .client import Client
from .commands import DefaultGroup
from .confirm import confirm, require_terminal, yes_option
from .fleet import Fleet
from .object_requests import MAX_SCANNED, Entry, ObjectKey, delete, fetch_listing, fetch_matching
from .options import ENGINE_SECONDS, fleet_options
from .outcome import Outcome
from .units import UNKNOWN, servers, size

MIN_PREFIX = 8
"""The shortest start of a hash that names an object, in hexadecimal digits."""

_COLUMNS = ("server", "chunk hash", "model", "kv rank", "group", "cache salt", "size")

_adapter_option = click.option("--adapter", help="The L2 adapter, such as fs. Default: the first one.")


def _hashes(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if len(text) < MIN_PREFIX or not set(text.lower()) <= set("0123456789abcdef"):
            raise click.BadParameter(f"expected {MIN_PREFIX} or more hexadecimal digits, got {text!r}")
    return tuple(text.lower() for text in texts)


@click.group(cls=DefaultGroup)
def objects() -> None:
    """List and delete the cached objects of MP servers; `list` is the default.

    An object is the slice of one chunk that one rank holds. In a mixed fleet, only MP servers are
    asked; without options that choose servers, the one at http://127.0.0.1:8080.
    """


@objects.command("list")
@_adapter_option
@click.option("--model", help="Only objects of this model.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_SCANNED),
    default=500,
    show_default=True,
    help="The largest number of objects of each server.",
)
@fleet_options(seconds=ENGINE_SECONDS, mp=True)
def list_objects(fleet: Fleet, adapter: str | None, model: str | None, limit: int) -> None:
    """List the objects in L2.

    Not all L2 adapters can list their objects; of LMCache's, only S3 can.

    Example: lmcache-internal objects --limit 20 --url http://10.0.0.1:8080
    """
    outcomes = fleet.each(lambda client: msgspec.to_builtins(fetch_listing(client, adapter, model, limit)))
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    found = [outcome for outcome in outcomes if outcome.ok]
    _show_entries(fleet, [(outcome, msgspec.convert(outcome.data["entries"], list[Entry])) for outcome in found])
    if more := [outcome.target.short_name for outcome in found if not outcome.data["complete"]]:
        fleet.screen.note(f"There are more objects on {', '.join(more)}; raise --limit.")
    fleet.report_failures(outcomes)


@objects.command("delete")
@click.argument("hashes", nargs=-1, required=True, metavar="HASH...", callback=_hashes)
@click.option("--model", help="The model of the objects, if the L2 adapter cannot list them.")
@click.option("--kv-rank", type=int, help="The rank of the objects, with --model.")
@click.option("--group", type=click.IntRange(0), default=0, help="The object group, with --model. Default: 0.")
@click.option("--cache-salt", default="", help="The tenant, with --model. Default: anonymous.")
@click.option(
    "--tier", type=click.Choice(["l1", "l2", "all"]), default="l2", show_default=True, help="Where to delete them."
)
@_adapter_option
@click.option("--force", is_flag=True, help="Delete objects of L1 even while they are in use.")
@yes_option
@click.option("--dry-run", is_flag=True, help="Show which objects would be deleted, and delete nothing.")
@fleet_options(changes=True, seconds=ENGINE_SECONDS, mp=True)
def delete_objects(
    fleet: Fleet,
    hashes: tuple[str, ...],
    model: str | None,
    kv_rank: int | None,
    group: int,
    cache_salt: str,
    tier: str,
    adapter: str | None,
    force: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Delete the objects of the chunks HASH.

    A HASH is the chunk hash from `objects list`, or its first 8 or more digits. The command looks for the objects in
    the list of each server. If an L2 adapter cannot list them, name one object with --model and --kv-rank.

    Example: lmcache-internal objects delete d11b1933 --dry-run --url http://10.0.0.1:8080
    """
    if (model is None) != (kv_rank is None):
        raise click.UsageError("--model and --kv-rank go together.")
    if not dry_run:
        require_terminal(fleet.screen, yes)
    named = (
        [ObjectKey(each, model, kv_rank, group, cache_salt) for each in hashes] if model and kv_rank is not None else []
    )

    def find(client: Client) -> list[Entry]:
        return [Entry(key) for key in named] or fetch_matching(client, hashes, adapter)

    plan = fleet.each(find)
    count = sum(len(outcome.data) for outcome in plan if outcome.ok)
    if dry_run or not count or not all(outcome.ok for outcome in plan):
        _explain(fleet, plan, count)
        return
    confirm(fleet.screen, yes, f"Delete {_count(plan)} from {tier} on {servers(len(plan))}?")
    keys = {outcome.target: [msgspec.to_builtins(entry.key) for entry in outcome.data] for outcome in plan}
    options = {"tier": tier, "force": force} | ({"adapter": adapter} if adapter else {})
    fleet.show(fleet.each(lambda client: delete(client, keys[client.target], options)), dict)


def _explain(fleet: Fleet, plan: Sequence[Outcome], count: int) -> None:
    """Print what would be deleted, and why nothing is; end with status 1 if there is nothing."""
    found_none = not count and all(outcome.ok for outcome in plan)
    fleet.screen.note("There is no such object." if found_none else "Nothing was deleted.")
    if fleet.screen.as_json:
        fleet.screen.json([outcome.map(msgspec.to_builtins).public() for outcome in plan])
        fleet.finish(plan)
    else:
        _show_entries(fleet, [(outcome, outcome.data) for outcome in plan if outcome.ok])
        fleet.report_failures(plan)
    if not count:
        raise SystemExit(1)


def _show_entries(fleet: Fleet, found: Sequence[tuple[Outcome, Sequence[Entry]]]) -> None:
    rows = [
        [*outcome.target.cells(short=True).values(), *msgspec.structs.astuple(entry.key), size(entry.size_bytes)]
        for outcome, entries in found
        for entry in entries
    ]
    if rows:
        fleet.screen.show(
            fleet.screen.table(_COLUMNS, [[UNKNOWN if cell == "" else cell for cell in row] for row in rows])
        )


def _count(plan: Sequence[Outcome]) -> str:
    entries = [entry for outcome in plan for entry in outcome.data]
    sizes = [entry.size_bytes for entry in entries]
    total = f" ({size(sum(filter(None, sizes)))})" if any(sizes) else ""
    return f"{len(entries)} object{'s' * (len(entries) != 1)}{total}"
