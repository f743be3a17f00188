"""`conf diff`: where the live configuration has drifted apart, and away from its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ...config_file import read_config_file
from ...errors import ConfigError
from ...redaction import redact
from ..fleet import Fleet
from ..group_rows import show_spread
from ..options import fleet_options
from ..units import UNKNOWN
from .read import fetch_details
from .values import means, shown

Details = Mapping[str, Mapping[str, Any]]
"""What a server says of each key."""

_ABSENT = {"value": None, "source": "unknown key", "type": ""}
_MADE_UP = frozenset({"lmcache_instance_id"})
"""Each rank invents its own where nobody set it."""


@click.command()
@click.option("--against", type=click.Path(path_type=Path, dir_okay=False), help="Compare with this YAML instead.")
@click.option("--exit-code", is_flag=True, help="End with status 1 where there is a difference, as git diff does.")
@fleet_options()
def diff(fleet: Fleet, against: Path | None, exit_code: bool) -> None:
    """Show the keys whose values have drifted.

    They differ between the servers, or from the engine's YAML, which --config names. What was changed at runtime
    counts where the file lacks it, too. Secrets are compared as far as they are shown. A difference is no failure,
    unless --exit-code says so.

    Example: lmcache-internal conf diff --config lmcache.yaml
    """
    path = against or fleet.config
    written = _read(path) if path else {}
    outcomes = fleet.each(fetch_details)
    found = [outcome.data for outcome in outcomes if outcome.ok]
    names = _apart(found, written) | {name for details in found for name in _away(details, written) if path}
    chosen = [outcome.map(lambda details: _chosen(details, sorted(names), written)) for outcome in outcomes]
    if found and not names:
        fleet.screen.note("No difference.")
    show_spread(fleet, chosen, ["key", *(["file"] if path else []), "live", "source"], _rows if path else _unwritten)
    if exit_code and names:
        raise SystemExit(1)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_config_file(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def _apart(found: Sequence[Details], written: Mapping[str, Any]) -> set[str]:
    """The keys whose values are not the same everywhere."""
    names = {name for details in found for name in details} - (_MADE_UP - written.keys())
    return {name for name in names if len({shown(details.get(name, _ABSENT)["value"]) for details in found}) > 1}


def _away(details: Details, written: Mapping[str, Any]) -> Iterator[str]:
    """The keys whose values are not what the file says."""
    for name, value in written.items():
        told = details.get(name, _ABSENT)
        if not means(name, value, told["type"], told["value"]):
            yield name
    for name in details.keys() - written.keys() - _MADE_UP:
        if details[name]["source"] == "runtime":
            yield name


def _chosen(details: Details, names: Sequence[str], written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    chosen = {}
    for name in names:
        told = details.get(name, _ABSENT)
        file = {"file": redact(written[name], name)} if name in written else {}
        chosen[name] = {**file, "live": told["value"], "source": told["source"]}
    return chosen


def _rows(chosen: Details) -> Iterator[tuple[str, ...]]:
    for name, told in chosen.items():
        yield name, shown(told["file"]) if "file" in told else UNKNOWN, shown(told["live"]), told["source"]


def _unwritten(chosen: Details) -> Iterator[tuple[str, ...]]:
    yield from ((name, live, source) for name, _, live, source in _rows(chosen))
