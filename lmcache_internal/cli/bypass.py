"""`bypass`: take backends out of service without closing them, and put them back."""

from __future__ import annotations

from collections.abc import Mapping

import click
import msgspec

from .client import Client
from .commands import DefaultGroup
from .fleet import Fleet
from .options import ENGINE_SECONDS, fleet_options
from .units import UNKNOWN


class _Backends(msgspec.Struct):
    bypassed_backends: list[str]
    all_backends: list[str] = msgspec.field(default_factory=list)


@click.group(cls=DefaultGroup)
def bypass() -> None:
    """List, bypass and restore storage backends; `list` is the default.

    Only workers have an engine. The scheduler is asked only with --scheduler or --index 0, and refuses.
    """


@bypass.command("list")
@fleet_options(engines=True)
def list_bypassed(fleet: Fleet) -> None:
    """List the bypassed backends and all backends of each worker.

    Example: lmcache-internal bypass --config lmcache.yaml
    """

    def fetch(client: Client) -> dict[str, list[str]]:
        answer = client.json("GET", "/bypass/list", _Backends)
        return {"bypassed": answer.bypassed_backends, "backends": answer.all_backends}

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
        answer = client.json("PUT", f"/bypass/{action}", _Backends, params={"backend_name": name})
        return {"bypassed": answer.bypassed_backends}

    fleet.show(fleet.each(put), _cells)


def _cells(data: Mapping[str, list[str]]) -> dict[str, object]:
    return {name: ", ".join(backends) or UNKNOWN for name, backends in data.items()}
