"""`cache`: store, retrieve and clear cached tokens."""

from __future__ import annotations

import re
from typing import Any

import click

from .client import Client
from .confirm import ask, yes_option
from .fleet import Fleet
from .options import ENGINE_SECONDS, fleet_options
from .units import UNKNOWN, servers


@click.group()
def cache() -> None:
    """Clear the caches, and try them with made-up tokens.

    Only workers have an engine: the scheduler is asked where --index names it, and refuses.
    """


def _range(_: click.Context, __: click.Parameter, text: str) -> str:
    match = re.fullmatch(r"(\d{1,18}):(\d{1,18})", text, re.ASCII)
    if match is None or int(match[1]) >= int(match[2]):
        raise click.BadParameter(f"expected START:END with START below END, as in 0:512, got {text!r}")
    return f"{match[1]},{match[2]}"


_tokens_option = click.option(
    "--tokens", callback=_range, required=True, metavar="START:END", help="The tokens START to END - 1."
)


@cache.command()
@click.option("--location", "locations", multiple=True, help="A backend; may be given again. Memory by default.")
@yes_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def clear(fleet: Fleet, locations: tuple[str, ...], yes: bool) -> None:
    """Drop cached chunks.

    It says how much was removed, which the real engine counts in tokens.

    Example: lmcache-internal cache clear --location LocalCPUBackend --config lmcache.yaml --all
    """
    where = " and ".join(locations) or "memory"
    ask(fleet.screen, yes, f"Drop the chunks that {where} holds on {servers(len(fleet.targets))}?")

    def send(client: Client) -> dict[str, int]:
        return {"removed": client.json("DELETE", "/cache/clear", params={"locations": list(locations)})["num_removed"]}

    fleet.show(fleet.each(send), dict)


@cache.command()
@_tokens_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def store(fleet: Fleet, tokens: str) -> None:
    """Store tokens.

    They are taken from the first slots of the KV caches. It says how many are newly cached, and why not all of them.

    Example: lmcache-internal cache store --tokens 0:512 --config lmcache.yaml --index 1
    """

    def send(client: Client) -> dict[str, Any]:
        answer = client.json("POST", "/cache/store", params={"tokens_mock": tokens})
        # LMCache's own server says only how many it was given.
        return {"tokens": answer["num_tokens"], "stored": answer.get("stored"), "reason": answer.get("reason")}

    fleet.show(fleet.each(send), lambda data: {k: UNKNOWN if v is None else v for k, v in data.items()})


@cache.command()
@_tokens_option
@fleet_options(changes=True, seconds=ENGINE_SECONDS, engines=True)
def retrieve(fleet: Fleet, tokens: str) -> None:
    """Retrieve tokens.

    They go into the first slots of the KV caches; whole chunks count.

    Example: lmcache-internal cache retrieve --tokens 0:512 --config lmcache.yaml --index 1
    """

    def send(client: Client) -> dict[str, int]:
        answer = client.json("POST", "/cache/retrieve", params={"tokens_mock": tokens})
        return {"tokens": answer["num_tokens"], "retrieved": answer["num_retrieved"]}

    fleet.show(fleet.each(send), dict)
