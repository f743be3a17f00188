"""`backends`: the storage backends of the engines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import click

from .client import Client
from .confirm import ask, yes_option
from .fleet import Fleet
from .groups import DefaultGroup
from .options import ENGINE_SECONDS, fleet_options
from .units import UNKNOWN, servers


@click.group(cls=DefaultGroup)
def backends() -> None:
    """List the storage backends (which is the default), close them, and create them again.

    Only workers have an engine: the scheduler is asked where --index names it, and refuses.
    """


@backends.command("list")
@fleet_options(engines=True)
def list_backends(fleet: Fleet) -> None:
    """The backends of each worker.

    Example: lmcache-internal backends --config lmcache.yaml
    """
    fleet.show(fleet.each(lambda client: {"backends": client.json("GET", "/backends")}), _cells)


@backends.command()
@click.argument("name")
@yes_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def close(fleet: Fleet, name: str, yes: bool) -> None:
    """Close the backend NAME; what it holds in memory is lost.

    Example: lmcache-internal backends close LocalDiskBackend --config lmcache.yaml --index 1
    """
    ask(fleet.screen, yes, f"Close {name} on {servers(len(fleet.targets))}?")
    _send(fleet, "DELETE", f"/backends/{quote(name, safe='')}")


@backends.command()
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def create(fleet: Fleet) -> None:
    """Create the backends that the configuration asks for and that are absent.

    Example: lmcache-internal backends create --config lmcache.yaml --all
    """
    _send(fleet, "POST", "/backends")


@backends.command()
@click.argument("name")
@yes_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def recreate(fleet: Fleet, name: str, yes: bool) -> None:
    """Close the backend NAME and create it by the configuration as it is now; what it holds in memory is lost.

    Example: lmcache-internal backends recreate LocalCPUBackend --config lmcache.yaml --all
    """
    ask(fleet.screen, yes, f"Close {name} and create it again on {servers(len(fleet.targets))}?")
    _send(fleet, "POST", f"/backends/{quote(name, safe='')}/recreate")


def _send(fleet: Fleet, method: str, path: str) -> None:
    def send(client: Client) -> dict[str, Any]:
        answer = client.json(method, path)
        return {name: answer[name] for name in ("created", "recreated", "backends", "warnings") if name in answer}

    fleet.show(fleet.each(send), _cells)


def _cells(data: Mapping[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {name: ", ".join(value) or UNKNOWN for name, value in data.items()}
    if "warnings" in data:
        cells["warnings"] = "; ".join(f"{name}: {reason}" for name, reason in data["warnings"].items())
    return cells
