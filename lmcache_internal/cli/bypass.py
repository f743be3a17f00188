"""`bypass`: backends out of service, but not closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .client import Client
from .fleet import Fleet
from .groups import DefaultGroup
from .options import ENGINE_SECONDS, fleet_options
from .units import UNKNOWN


@click.group(cls=DefaultGroup)
def bypass() -> None:
    """List the bypassed backends (which is the default), bypass others, and put them back into service.

    Only workers have an engine: the scheduler is asked where --index names it, and refuses.
    """


@bypass.command("list")
@fleet_options(engines=True)
def list_bypassed(fleet: Fleet) -> None:
    """The bypassed backends of each worker beside all of them.

    Example: lmcache-internal bypass --config lmcache.yaml
    """

    def fetch(client: Client) -> dict[str, list[str]]:
        answer = client.json("GET", "/bypass/list")
        return {"bypassed": answer["bypassed_backends"], "backends": answer["all_backends"]}

    fleet.show(fleet.each(fetch), _cells)


@bypass.command()
@click.argument("name")
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def add(fleet: Fleet, name: str) -> None:
    """Take the backend NAME out of service.

    Example: lmcache-internal bypass add LocalDiskBackend --config lmcache.yaml --all
    """
    _put(fleet, "add", name)


@bypass.command()
@click.argument("name")
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def remove(fleet: Fleet, name: str) -> None:
    """Put the backend NAME back into service.

    Example: lmcache-internal bypass remove LocalDiskBackend --config lmcache.yaml --all
    """
    _put(fleet, "remove", name)


def _put(fleet: Fleet, action: str, name: str) -> None:
    def put(client: Client) -> dict[str, list[str]]:
        return {"bypassed": client.json("PUT", f"/bypass/{action}", params={"backend_name": name})["bypassed_backends"]}

    fleet.show(fleet.each(put), _cells)


def _cells(data: Mapping[str, Any]) -> dict[str, object]:
    return {name: ", ".join(backends) or UNKNOWN for name, backends in data.items()}
