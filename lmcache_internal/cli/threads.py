"""`threads`: what the engines' threads are doing, now or over a while."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from .client import Client
from .fleet import Fleet, Outcome
from .options import fleet_options
from .targets import Target

Stack = tuple[tuple[str, int, str, str], ...]
"""File, line, function and source of each call, the outermost first."""


@click.command()
@click.option("--name", help="Only threads whose name contains this.")
@click.option("--group/--no-group", default=True, help="Show identical stacks once, with the threads that share them.")
@click.option("--samples", type=click.IntRange(1, 1000), help="Look so often, and print a profile in folded form.")
@click.option(
    "--interval", type=click.FloatRange(0.001, 1), default=0.02, show_default=True, help="Seconds between samples."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile here, not on the screen."
)
@fleet_options(seconds=70)
def threads(
    fleet: Fleet, name: str | None, group: bool, samples: int | None, interval: float, output: Path | None
) -> None:
    """The stacks of the engines' threads, the most common first.

    With --samples, a profile instead: a line for each stack with the number of samples that found it, as flame graph
    tools read it (flamegraph.pl, inferno, speedscope). Of several servers, the first frame names the server.

    \b
    Example: lmcache-internal threads --config lmcache.yaml --index 1 --samples 200 -o worker-0.folded
    """  # noqa: D301  # Click's mark for lines that are not to be filled.
    if output and not samples:
        raise click.UsageError("-o is for a profile; say how many --samples to take.")
    named = {"name": name} if name else {}
    if samples:
        _profile(fleet, {**named, "samples": samples, "interval": interval}, output)
    elif group:
        _grouped(fleet, named)
    else:
        fleet.show_texts(fleet.each(lambda client: _ask(client, named, "text/plain")))


def _ask(client: Client, params: dict[str, Any], accept: str) -> Any:
    if accept == "text/plain":
        return client.request("GET", "/threads", params=params, headers={"Accept": accept}).text
    return client.json("GET", "/threads", params=params)


def _grouped(fleet: Fleet, params: dict[str, Any]) -> None:
    outcomes = fleet.each(lambda client: _ask(client, params | {"group": "true"}, "application/json"))
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    fleet.screen.text("\n".join(_block(stack, owners) for stack, owners in _together(outcomes)))
    fleet.complain(outcomes)


def _together(outcomes: Sequence[Outcome]) -> list[tuple[Stack, dict[str, list[str]]]]:
    """Each stack with the names of its threads by server, the most common first."""
    found: dict[Stack, dict[str, list[str]]] = {}
    for outcome in outcomes:
        for group in outcome.data["groups"] if outcome.ok else ():
            stack = tuple((call["file"], call["line"], call["function"], call["source"]) for call in group["stack"])
            found.setdefault(stack, {})[_short(outcome.target)] = group["names"]
    return sorted(found.items(), key=lambda item: -sum(map(len, item[1].values())))


def _block(stack: Stack, owners: dict[str, list[str]]) -> str:
    count = sum(map(len, owners.values()))
    lines = [f"{count} thread{'s' * (count > 1)}"]
    lines += [f"  {server}: {', '.join(names)}" for server, names in owners.items()]
    for file, line, function, source in stack:
        lines += [f'    File "{file}", line {line}, in {function}', f"      {source}"]
    return "\n".join(lines) + "\n"


def _profile(fleet: Fleet, params: dict[str, Any], output: Path | None) -> None:
    accept = "application/json" if fleet.screen.as_json else "text/plain"
    outcomes = fleet.each(lambda client: _ask(client, params, accept))
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    text = folded(outcomes)
    if output is None:
        fleet.screen.text(text.rstrip("\n"))
    else:
        try:
            output.write_text(text)
        except OSError as error:
            raise click.ClickException(f"Cannot write {output}: {error.strerror}") from error
        fleet.screen.note(f"Wrote {output}.")
    fleet.complain(outcomes)


def folded(outcomes: Sequence[Outcome]) -> str:
    """One profile of those of all servers."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        first = f"{_short(outcome.target)};" if len(outcomes) > 1 else ""
        for line in outcome.data.splitlines() if outcome.ok else ():
            stack, _, count = line.rpartition(" ")
            counts[first + stack] += int(count)
    return "".join(f"{stack} {count}\n" for stack, count in counts.most_common())


def _short(target: Target) -> str:
    return target.role or target.address
