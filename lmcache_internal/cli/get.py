"""`get`: any path of any server."""

from __future__ import annotations

import json

import click

from .client import Client
from .fleet import Fleet
from .options import fleet_options


@click.command()
@click.argument("path")
@fleet_options()
def get(fleet: Fleet, path: str) -> None:
    """Fetch PATH, such as /meta or '/conf?names=chunk_size', from each server.

    One server's answer is printed as it is; those of several, each under its name.
    """
    if not path.startswith("/"):
        raise click.UsageError(f"PATH starts with a slash: /{path}")

    def fetch(client: Client) -> object:
        text = client.request("GET", path, headers={"Accept": "*/*"}).text
        return _decoded(text) if fleet.screen.as_json else text

    fleet.show_texts(fleet.each(fetch))


def _decoded(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
