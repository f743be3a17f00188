"""`metrics`: print the metrics of all servers as one document, in Prometheus' text format.

The metrics of each server are printed when they arrive, so that a slow server does not hold up the others.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import click

from .client import Client
from .commands import Command
from .fleet import Fleet
from .options import fleet_options
from .outcome import Outcome
from .targets import Target

_SAMPLE = re.compile(r"([^\s{]+)(?:\{(.*)\})?( .*)")


@click.command(cls=Command)
@click.option("--name", "names", multiple=True, help="A metric or sample to fetch; repeatable. Default: all.")
@fleet_options()
def metrics(fleet: Fleet, names: tuple[str, ...]) -> None:
    """Print the Prometheus metrics of all servers; each sample has the label `index`.

    A server that is chosen with --url or --socket has the label `address` instead. The metrics of each server are
    printed when they arrive; HELP and TYPE of a metric are printed once, before its first sample.

    Example: lmcache-internal metrics --config lmcache.yaml --name lmcache:num_hit_tokens
    """

    def fetch(client: Client) -> str:
        params = {"name[]": list(names)} if names else {}
        text = client.request("GET", "/metrics", params=params, headers={"Accept": "text/plain"}).text
        return selected(text, names) if names else text

    if fleet.screen.as_json:
        fleet.show(fleet.each(fetch), dict)
        return
    document = Document()
    outcomes = fleet.each(fetch, lambda outcome: _print(fleet, document, outcome))
    if names and document.is_empty and any(outcome.ok for outcome in outcomes):
        fleet.screen.note(f"No metric is named {' or '.join(names)}.")
    fleet.report_failures(outcomes)


def _print(fleet: Fleet, document: Document, outcome: Outcome) -> None:
    if outcome.ok:
        fleet.screen.text(document.added(outcome.target, outcome.data).rstrip("\n"))


class Document:
    """The metrics of several servers, as one document to which each server adds its samples.

    Attributes:
        is_empty: whether no server has added a sample.
    """

    def __init__(self) -> None:
        self.is_empty = True
        self._comments: set[str] = set()
        self._described: dict[str, Target] = {}

    def added(self, target: Target, exposition: str) -> str:
        """Return the lines that a server adds: its samples with their label, and the comments of new families.

        Args:
            target: the server.
            exposition: its metrics, in Prometheus' text format 0.0.4.
        """
        by_address = target.by_address or target.index is None
        label = f'address="{_quoted(target.address)}"' if by_address else f'index="{target.index}"'
        lines = []
        for family, line in _lines(exposition):
            if not line.startswith("#"):
                lines.append(_labeled(line, label))
                self.is_empty = False
            # Prometheus refuses a second TYPE of a family.
            elif self._described.setdefault(family, target) is target and line not in self._comments:
                self._comments.add(line)
                lines.append(line)
        return "".join(f"{line}\n" for line in lines)


def selected(exposition: str, names: Collection[str]) -> str:
    """Return the lines of the named metrics and samples, because LMCache's own servers ignore `name[]`."""
    return "".join(f"{line}\n" for family, line in _lines(exposition) if _is_selected(family, line, names))


def _is_selected(family: str, line: str, names: Collection[str]) -> bool:
    """Whether a line belongs to a metric or sample of that name; a counter is also named without `_total`."""
    if family in names or family.removesuffix("_total").removesuffix("_created") in names:
        return True
    if line.startswith("#"):
        # The HELP and TYPE of named samples, and comments about names that do not exist.
        return not line.startswith(("# HELP ", "# TYPE ")) or any(name.startswith(family) for name in names)
    match = _SAMPLE.fullmatch(line)
    return match is not None and match[1] in names


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
