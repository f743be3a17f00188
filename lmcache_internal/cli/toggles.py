"""`freeze` and `hot-cache`: what an engine can be told to stop doing for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from .client import Client
from .confirm import ask, yes_option
from .fleet import Fleet
from .options import ENGINE_SECONDS, Command, fleet_options
from .units import servers

_REQUESTS = {"on": ("PUT", "enable"), "off": ("PUT", "disable"), "status": ("GET", "status")}


def _changes(given: Mapping[str, Any]) -> bool:
    return bool(given["turn"] != "status")


def _switch(command: Command) -> Callable[..., None]:
    turn = click.argument("turn", type=click.Choice(list(_REQUESTS)), default="status", metavar="[on|off|status]")
    return turn(fleet_options(changes=_changes, seconds=ENGINE_SECONDS, engines=True)(command))


@click.command()
@_switch
def freeze(fleet: Fleet, turn: str) -> None:
    """Serve what is cached and store nothing new (on), store again (off), or say which it is (status).

    Only workers have an engine: the scheduler is asked where --index names it, and refuses.

    Example: lmcache-internal freeze on --config lmcache.yaml --all
    """
    _turn(fleet, "freeze", turn)


@click.command("hot-cache")
@yes_option
@_switch
def hot_cache(fleet: Fleet, turn: str, yes: bool) -> None:
    """Keep new chunks in memory (on), drop those there and take no more (off), or say which it is (status).

    Only workers have an engine: the scheduler is asked where --index names it, and refuses.

    Example: lmcache-internal hot-cache off --config lmcache.yaml --index 1
    """
    if turn == "off":
        ask(fleet.screen, yes, f"Drop the chunks in the memory of {servers(len(fleet.targets))}?")
    _turn(fleet, "hot_cache", turn)


def _turn(fleet: Fleet, name: str, turn: str) -> None:
    method, action = _REQUESTS[turn]

    def send(client: Client) -> dict[str, bool]:
        return {name: bool(client.json(method, f"/{name}/{action}")[name])}

    fleet.show(fleet.each(send), lambda data: {name.replace("_", " "): "on" if data[name] else "off"})
