"""`backends`: list, close and create the storage backends of the engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click
import msgspec

from .client import Client
from .commands import DefaultGroup
from .confirm import confirm, yes_option
from .fleet import Fleet
from .options import ENGINE_SECONDS, fleet_options
from .units import UNKNOWN, servers


class _Change(msgspec.Struct, omit_defaults=True):
    created: dict[str, str] | None = None
    recreated: dict[str, str] | None = None
    backends: dict[str, str] | None = None
    warnings: dict[str, str] | None = None


@click.group(cls=DefaultGroup)
def backends() -> None:
    """List, close and create storage backends; `list` is the default.

    Only workers have an engine. The scheduler is asked only with --scheduler or --index 0, and refuses.
    """


@backends.command("list")
@fleet_options(engines=True)
def list_backends(fleet: Fleet) -> None:
    """List the backends of each worker.

    Example: lmcache-internal backends --config lmcache.yaml
    """
    fleet.show(fleet.each(lambda client: {"backends": client.json("GET", "/backends", dict[str, str])}), _cells)


@backends.command()
@click.argument("name")
@yes_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def close(fleet: Fleet, name: str, yes: bool) -> None:
    """Close the backend NAME; its content in memory is lost.

    Example: lmcache-internal backends close LocalDiskBackend --config lmcache.yaml --index 1
    """
    confirm(fleet.screen, yes, f"Close {name} on {servers(len(fleet.targets))}?")
    _send(fleet, "DELETE", f"/backends/{quote(name, safe='')}")


@backends.command()
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def create(fleet: Fleet) -> None:
    """Create the configured backends that do not exist.

    Example: lmcache-internal backends create --config lmcache.yaml --all
    """
    _send(fleet, "POST", "/backends")


@backends.command()
@click.argument("name")
@yes_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def recreate(fleet: Fleet, name: str, yes: bool) -> None:
    """Close the backend NAME and create it with the current configuration; its content in memory is lost.

    Example: lmcache-internal backends recreate LocalCPUBackend --config lmcache.yaml --all
    """
    confirm(fleet.screen, yes, f"Close {name} and create it again on {servers(len(fleet.targets))}?")
    _send(fleet, "POST", f"/backends/{quote(name, safe='')}/recreate")


def _send(fleet: Fleet, method: str, path: str) -> None:
    def send(client: Client) -> dict[str, Any]:
        return dict(msgspec.to_builtins(client.json(method, path, _Change)))

    fleet.show(fleet.each(send), _cells)


def _cells(data: Mapping[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {name: ", ".join(value) or UNKNOWN for name, value in data.items()}
    if "warnings" in data:
        cells["warnings"] = "; ".join(f"{name}: {reason}" for name, reason in data["warnings"].items())
    return cells
