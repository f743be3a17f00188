"""`metrics`: the fleet's metrics as one exposition."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from .client import Client
from .fleet import Fleet
from .options import fleet_options
from .targets import Target

_SAMPLE = re.compile(r"([^\s{]+)(?:\{(.*)\})?( .*)")


@click.command()
@click.option("--name", "names", multiple=True, help="A metric or sample to fetch; may be given again. All by default.")
@fleet_options()
def metrics(fleet: Fleet, names: tuple[str, ...]) -> None:
    """Fetch the Prometheus metrics of all servers as one exposition, each sample with the label `index`.

    Where nobody said which rank a server is, the label is `address`.

    Example: lmcache-internal metrics --config lmcache.yaml --name lmcache:num_hit_tokens
    """

    def fetch(client: Client) -> str:
        params = {"name[]": list(names)} if names else {}
        return client.request("GET", "/metrics", params=params, headers={"Accept": "text/plain"}).text

    outcomes = fleet.each(fetch)
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    fleet.screen.text(merged({outcome.target: outcome.data for outcome in outcomes if outcome.ok}).rstrip("\n"))
    fleet.complain(outcomes)


def merged(expositions: dict[Target, str]) -> str:
    """One exposition of several: the samples of a family stand together, under one HELP and TYPE.

    Args:
        expositions: each server's, in Prometheus' text format 0.0.4.
    """
    families: dict[str, tuple[dict[str, None], list[str]]] = {}
    for target, text in expositions.items():
        own = "address" if target.index is None else "index"
        label = f'{own}="{target.address if target.index is None else target.index}"'
        for family, line in _lines(text):
            comments, samples = families.setdefault(family, ({}, []))
            if line.startswith("#"):
                comments[line] = None  # Each once, in the order in which they came.
            else:
                samples.append(_labeled(line, label))
    return "".join(f"{line}\n" for comments, samples in families.values() for line in (*comments, *samples))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Each line with the family that it belongs to: the one whose HELP came last."""
    family = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
        if line:
            yield family, line


def _labeled(line: str, label: str) -> str:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        return line
    name, labels, rest = match.groups()
    return f"{name}{{{label}{f',{labels}' if labels else ''}}}{rest}"
