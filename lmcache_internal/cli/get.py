"""`get`: fetch any path of any server.

It is the way to endpoints that have no command of their own, such as those of plugins.
"""

from __future__ import annotations

import click

from .answers import UnusableAnswerError, decode
from .client import Client
from .commands import Command
from .fleet import Fleet
from .options import fleet_options


@click.command(cls=Command)
@click.argument("path")
@fleet_options()
def get(fleet: Fleet, path: str) -> None:
    """Fetch PATH, such as /meta or '/conf?names=chunk_size', from each server.

    The answer of one server is printed unchanged. The answers of several servers are printed under their names.

    Example: lmcache-internal get '/conf?names=chunk_size' --index 1
    """
    if not path.startswith("/"):
        raise click.UsageError(f"PATH starts with a slash: /{path}")

    def fetch(client: Client) -> object:
        text = client.request("GET", path, headers={"Accept": "*/*"}).text
        return _decoded(text) if fleet.screen.as_json else text

    fleet.show_texts(fleet.each(fetch))


def _decoded(text: str) -> object:
    try:
        return decode(text)
    except UnusableAnswerError:
        return text
