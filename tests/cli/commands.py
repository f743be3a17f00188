"""Every command that talks to servers, with arguments that make it run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from lmcache_internal.cli import main
from lmcache_internal.cli.commands import FleetOption

READING = [
    "status",
    "status --verbose",
    "doctor",
    "top",
    "top --count 2 --interval 0.1",
    "get /meta",
    "get /threads",
    "metrics",
    "threads",
    "threads --no-group",
    "threads --samples 2",
    "routes",
    "bundle -o {directory}/bundle.zip --force",
    "conf get",
    "conf get --details",
    "conf diff",
    "conf history",
    "loglevel",
    "loglevel root",
    "backends",
    "bypass list",
    "freeze",
    "hot-cache status",
    "explain --tokens 1,2,3",
]
MP_READING = [
    "quota",
    "quota list",
    "quota get alice",
    "objects",
    "objects list --limit 2",
]
"""Commands for MP servers."""
CHANGING = [
    "conf set pin_timeout_sec=60 --yes",
    "conf set pin_timeout_sec=60 --dry-run",
    "conf rollback --to 0 --yes",
    "loglevel tests.nothing DEBUG --for 1s",
    "loglevel tests.nothing --reset",
    "backends close Nothing --yes",
    "backends create",
    "backends recreate Nothing --yes",
    "bypass add Nothing",
    "bypass remove Nothing",
    "cache store --tokens 0:16",
    "cache retrieve --tokens 0:16",
    "cache clear --yes",
    "freeze off",
    "hot-cache on",
    "drain --reason test --seconds 60",
    "undrain",
    "script run {directory}/script.py",
]
MP_CHANGING = [
    "quota set alice --limit-gb 1 --yes",
    "quota set alice --limit-gb 1 --dry-run",
    "quota delete alice --yes",
    "objects delete 0123456789 --yes",
    "objects delete 0123456789 --model m --kv-rank 0 --yes",
    "objects delete 0123456789 --dry-run",
]
ALL = READING + CHANGING
MP = MP_READING + MP_CHANGING


def entries(document: Any) -> list[dict[str, Any]]:
    """Return the entries of the servers in the document that a command prints with `--json`."""
    return list(document["ranks"] if isinstance(document, dict) else document)


def arguments(command: str, directory: Path) -> list[str]:
    """The command's arguments, with the files that it needs."""
    (directory / "script.py").write_text("result = 1")
    return [part.replace("{directory}", str(directory)) for part in command.split()]


def leaves(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that is not a group, with its names."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def fleet_commands() -> set[tuple[str, ...]]:
    return {path for path, command in leaves() if any(isinstance(param, FleetOption) for param in command.params)}
