"""`conf diff`: compare the live configuration of the servers with each other and with the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from ...engine.definitions import GENERATED
from ...errors import ConfigError
from ...redaction import redact
from ...settings.config_file import read_config_file
from ..commands import Command
from ..fleet import Fleet
from ..group_rows import show_grouped
from ..options import fleet_options
from ..units import UNKNOWN
from .read import fetch_details
from .values import means, shown

Details = Mapping[str, Mapping[str, Any]]
"""The fields of each key, as a server answers them."""

_ABSENT = {"value": None, "source": "unknown key", "type": ""}


@click.command(cls=Command)
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare with this YAML file instead of --config.",
)
@click.option("--exit-code", is_flag=True, help="Exit with status 1 if there is a difference, as git diff does.")
@fleet_options(ranks=True)
def diff(fleet: Fleet, against: Path | None, exit_code: bool) -> None:
    """Show the keys whose values differ between the servers, or from the file.

    The file is the engine's YAML from --config. A key that was changed at runtime is a difference even if the file does
    not have it. Secrets are compared in their masked form. A difference is not a failure, unless --exit-code is given.

    Example: lmcache-internal conf diff --config lmcache.yaml
    """
    path = against or fleet.config
    written = _read(path) if path else {}
    outcomes = fleet.each(fetch_details)
    found = [outcome.data for outcome in outcomes if outcome.ok]
    names = _differing(found, written) | {name for details in found for name in _changed(details, written) if path}
    chosen = [outcome.map(lambda details: _chosen(details, sorted(names), written)) for outcome in outcomes]
    if found and not names:
        fleet.screen.note("No difference.")
    show_grouped(
        fleet, chosen, ["key", *(["file"] if path else []), "live", "source"], _rows if path else _rows_without_file
    )
    if exit_code and names:
        raise SystemExit(1)


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_config_file(path)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def _differing(found: Sequence[Details], written: Mapping[str, Any]) -> set[str]:
    """Return the keys whose values are not the same on all servers."""
    names = {name for details in found for name in details} - (GENERATED - written.keys())
    return {name for name in names if len({shown(details.get(name, _ABSENT)["value"]) for details in found}) > 1}


def _changed(details: Details, written: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys whose values are not those of the file."""
    for name, value in written.items():
        field = details.get(name, _ABSENT)
        if not means(name, value, field["type"], field["value"]):
            yield name
    for name in details.keys() - written.keys() - GENERATED:
        if details[name]["source"] == "runtime":
            yield name


def _chosen(details: Details, names: Sequence[str], written: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    chosen = {}
    for name in names:
        field = details.get(name, _ABSENT)
        file = {"file": redact(written[name], name)} if name in written else {}
        chosen[name] = {**file, "live": field["value"], "source": field["source"]}
    return chosen


def _rows(chosen: Details) -> Iterator[tuple[str, ...]]:
    for name, field in chosen.items():
        yield name, shown(field["file"]) if "file" in field else UNKNOWN, shown(field["live"]), field["source"]


def _rows_without_file(chosen: Details) -> Iterator[tuple[str, ...]]:
    yield from ((name, live, source) for name, _, live, source in _rows(chosen))
