"""`cache`: store, retrieve and clear cached tokens."""

from __future__ import annotations

from typing import Any

import click

from ..conversion import parse_tokens
from .client import Client
from .commands import Group
from .confirm import confirm, yes_option
from .fleet import Fleet
from .options import ENGINE_SECONDS, fleet_options
from .units import UNKNOWN, servers


@click.group(cls=Group)
def cache() -> None:
    """Clear the caches, and test them with generated tokens.

    Only workers have an engine. The scheduler is asked only with --scheduler or --index 0, and refuses.
    """


def _range(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        tokens = parse_tokens(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return f"{tokens.start},{tokens.stop}"


_tokens_option = click.option(
    "--tokens",
    callback=_range,
    required=True,
    metavar="START:END",
    help="The tokens START to END - 1; START,END is the same.",
)


@cache.command()
@click.option("--location", "locations", multiple=True, help="A backend; repeatable. Default: memory.")
@yes_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def clear(fleet: Fleet, locations: tuple[str, ...], yes: bool) -> None:
    """Drop cached chunks.

    The output is the number of removed items. The real engine counts tokens.

    Example: lmcache-internal cache clear --location LocalCPUBackend --config lmcache.yaml --all
    """
    where = " and ".join(locations) or "memory"
    confirm(fleet.screen, yes, f"Drop the chunks in {where} on {servers(len(fleet.targets))}?")

    def send(client: Client) -> dict[str, Any]:
        answer = client.json("DELETE", "/cache/clear", dict[str, Any], params={"locations": list(locations)})
        return {"removed": answer["num_removed"]}

    fleet.show(fleet.each(send), dict)


@cache.command()
@_tokens_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def store(fleet: Fleet, tokens: str) -> None:
    """Store tokens.

    The command takes them from the first slots of the KV caches, and shows how many are newly cached, and why not all.

    Example: lmcache-internal cache store --tokens 0:512 --config lmcache.yaml --index 1
    """

    def send(client: Client) -> dict[str, Any]:
        answer = client.json("POST", "/cache/store", dict[str, Any], params={"tokens_mock": tokens})
        # LMCache's own server says only how many it was given.
        return {"tokens": answer["num_tokens"], "stored": answer.get("stored"), "reason": answer.get("reason")}

    fleet.show(fleet.each(send), lambda data: {k: UNKNOWN if v is None else v for k, v in data.items()})


@cache.command()
@_tokens_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def retrieve(fleet: Fleet, tokens: str) -> None:
    """Retrieve tokens.

    The command writes them to the first slots of the KV caches. Only whole chunks are retrieved.

    Example: lmcache-internal cache retrieve --tokens 0:512 --config lmcache.yaml --index 1
    """

    def send(client: Client) -> dict[str, Any]:
        answer = client.json("POST", "/cache/retrieve", dict[str, Any], params={"tokens_mock": tokens})
        return {"tokens": answer["num_tokens"], "retrieved": answer["num_retrieved"]}

    fleet.show(fleet.each(send), dict)
