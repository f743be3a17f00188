"""`drain` and `undrain`: take servers out of rotation and put them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from .client import Client
from .commands import Command
from .fleet import Fleet
from .options import fleet_options

_MAX_SECONDS = 7 * 24 * 3600


@click.command(cls=Command)
@click.option("--reason", default="", help="The reason, shown by /readyz.")
@click.option("--seconds", type=click.IntRange(1, _MAX_SECONDS), help="End the drain after this time. Default: no end.")
@fleet_options(changes=True, seconds=5)
def drain(fleet: Fleet, reason: str, seconds: int | None) -> None:
    """Take servers out of rotation: /readyz fails, and all other requests are served.

    Example: lmcache-internal drain --reason 'new disk' --seconds 600 --config lmcache.yaml --index 1
    """
    _post(fleet, "drain", {"reason": reason} | ({} if seconds is None else {"seconds": seconds}))


@click.command(cls=Command)
@fleet_options(changes=True, seconds=5)
def undrain(fleet: Fleet) -> None:
    """Put servers back into rotation.

    Example: lmcache-internal undrain --config lmcache.yaml --index 1
    """
    _post(fleet, "undrain", {})


def _post(fleet: Fleet, action: str, params: Mapping[str, Any]) -> None:
    def send(client: Client) -> dict[str, Any]:
        answer: dict[str, Any] = client.json("POST", f"/admin/{action}", dict[str, Any], params=dict(params))
        return answer

    def row(data: Mapping[str, Any]) -> dict[str, object]:
        until = data["until"] or "undrain" if data["drained"] else ""
        return {"drained": "yes" if data["drained"] else "no", "until": until, "reason": data["reason"] or ""}

    fleet.show(fleet.each(send), row)
