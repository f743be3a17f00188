"""`metrics`: print the metrics of all servers as one document, in Prometheus' text format."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from .client import Client
from .commands import Command
from .fleet import Fleet
from .options import fleet_options
from .targets import Target

_SAMPLE = re.compile(r"([^\s{]+)(?:\{(.*)\})?( .*)")


@click.command(cls=Command)
@click.option("--name", "names", multiple=True, help="A metric or sample to fetch; repeatable. Default: all.")
@fleet_options()
def metrics(fleet: Fleet, names: tuple[str, ...]) -> None:
    """Print the Prometheus metrics of all servers; each sample has the label `index`.

    A server that is chosen with --url or --socket has the label `address` instead.

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
    fleet.report_failures(outcomes)


def merged(expositions: dict[Target, str]) -> str:
    """Merge metrics: the samples of a family are together, under one HELP and TYPE.

    Args:
        expositions: the metrics of each server, in Prometheus' text format 0.0.4.
    """
    families: dict[str, tuple[dict[str, None], list[str]]] = {}
    for target, text in expositions.items():
        label = (
            f'address="{_quoted(target.address)}"'
            if target.by_address or target.index is None
            else f'index="{target.index}"'
        )
        for family, line in _lines(text):
            comments, samples = families.setdefault(family, ({}, []))
            if line.startswith("#"):
                comments[line] = None  # Each once, in their order.
            else:
                samples.append(_labeled(line, label))
    return "".join(f"{line}\n" for comments, samples in families.values() for line in (*comments, *samples))


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield each line with its family: the one of the last HELP."""
    family = ""
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split(" ", 3)[2]
        if line:
            yield family, line


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _labeled(line: str, label: str) -> str:
    match = _SAMPLE.fullmatch(line)
    if match is None:
        return line
    name, labels, rest = match.groups()
    return f"{name}{{{label}{f',{labels}' if labels else ''}}}{rest}"
