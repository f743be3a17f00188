"""`freeze` and `hot-cache`: switch off what an engine does, for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from .client import Client
from .commands import Command
from .confirm import confirm, yes_option
from .fleet import Fleet
from .options import ENGINE_SECONDS, fleet_options
from .units import servers

_REQUESTS = {"on": ("PUT", "enable"), "off": ("PUT", "disable"), "status": ("GET", "status")}


def _changes(given: Mapping[str, Any]) -> bool:
    return bool(given["state"] != "status")


def _switch(command: Callable[..., None]) -> Callable[..., None]:
    state = click.argument("state", type=click.Choice(list(_REQUESTS)), default="status", metavar="[on|off|status]")
    return state(fleet_options(changes=_changes, seconds=ENGINE_SECONDS, engines=True)(command))


@click.command(cls=Command)
@_switch
def freeze(fleet: Fleet, state: str) -> None:
    """Stop storing new chunks (on), store again (off), or show the state (status).

    A frozen engine still serves the chunks that it has. Only workers have an engine. The scheduler is asked only with
    --scheduler or --index 0, and refuses.

    Example: lmcache-internal freeze on --config lmcache.yaml --all
    """
    _set(fleet, "freeze", state)


@click.command("hot-cache", cls=Command)
@yes_option
@_switch
def hot_cache(fleet: Fleet, state: str, yes: bool) -> None:
    """Keep new chunks in memory (on), drop all and keep none (off), or show the state (status).

    Only workers have an engine. The scheduler is asked only with --scheduler or --index 0, and refuses.

    Example: lmcache-internal hot-cache off --config lmcache.yaml --index 1
    """
    if state == "off":
        confirm(fleet.screen, yes, f"Drop the chunks in the memory of {servers(len(fleet.targets))}?")
    _set(fleet, "hot_cache", state)


def _set(fleet: Fleet, name: str, state: str) -> None:
    method, action = _REQUESTS[state]

    def send(client: Client) -> dict[str, bool]:
        return {name: bool(client.json(method, f"/{name}/{action}", dict[str, Any])[name])}

    fleet.show(fleet.each(send), lambda data: {name.replace("_", " "): "on" if data[name] else "off"})
