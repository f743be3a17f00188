"""`threads`: show what the engines' threads do, now or over some time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from .client import Client, Failure
from .commands import Command
from .fleet import Fleet
from .options import fleet_options
from .outcome import Outcome
from .text import printable
from .thread_dump import groups_in

Stack = tuple[tuple[str, int, str, str], ...]
"""The file, line, function and source of each call, the outermost call first."""
Groups = list[tuple[Stack, list[str]]]
"""Each stack with the names of its threads."""


class _Call(msgspec.Struct):
    file: str
    line: int
    function: str
    source: str


class _Group(msgspec.Struct):
    names: list[str]
    stack: list[_Call]


class _Groups(msgspec.Struct):
    groups: list[_Group]


@click.command(cls=Command)
@click.option("--name", help="Show only threads whose name contains this text.")
@click.option("--group/--no-group", default=True, help="Show identical stacks once, with the names of their threads.")
@click.option(
    "--samples", type=click.IntRange(1, 1000), help="Take this many samples, and print a profile in folded format."
)
@click.option(
    "--interval", type=click.FloatRange(0.001, 1), default=0.02, show_default=True, help="Seconds between samples."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the profile to this file.")
@fleet_options(seconds=70)
def threads(
    fleet: Fleet, name: str | None, group: bool, samples: int | None, interval: float, output: Path | None
) -> None:
    """Show the stacks of the engines' threads, the most common first.

    With --samples, the command prints a profile: a line for each stack, with the number of samples that had it. Flame
    graph tools (flamegraph.pl, inferno, speedscope) read this format. With several servers, the first frame is the
    name of the server.

    Example: lmcache-internal threads --config lmcache.yaml --index 1 --samples 200 -o worker-0.folded
    """
    if output and not samples:
        raise click.UsageError("-o writes a profile. Add --samples.")
    named = {"name": name} if name else {}
    if samples:
        _profile(fleet, {**named, "samples": samples, "interval": interval}, output)
    elif group:
        _grouped(fleet, named)
    else:
        fleet.show_texts(fleet.each(lambda client: _ask(client, named)))


def _ask(client: Client, params: dict[str, Any]) -> str:
    return client.request("GET", "/threads", params=params, headers={"Accept": "text/plain"}).text


def fetch_groups(client: Client, params: dict[str, Any]) -> Any:
    """Fetch the stacks of a server with the names of their threads; raises `Failure` if it has no groups."""
    answer = client.request("GET", "/threads", params=params)
    if answer.text.startswith("{"):
        return answer.json()
    # LMCache's own servers know no groups.
    found = groups_in(answer.text)
    if found is None:
        raise Failure("/threads answered without groups, and with no thread dump of LMCache's; add --no-group")
    return found


def _grouped(fleet: Fleet, params: dict[str, Any]) -> None:
    outcomes = fleet.each(lambda client: fetch_groups(client, params | {"group": "true"}))
    if fleet.screen.as_json:
        fleet.show(outcomes, dict)
        return
    outcomes = [outcome.map(groups_of) for outcome in outcomes]
    found = _together(outcomes)
    fleet.screen.text("\n".join(_block(stack, owners) for stack, owners in found))
    if not found and "name" in params and any(outcome.ok for outcome in outcomes):
        fleet.screen.note(f"No thread has {params['name']!r} in its name.")
    fleet.report_failures(outcomes)


def groups_of(data: Any) -> Groups:
    """Return the stacks of one server, with names that are safe to print."""
    found = msgspec.convert(data, _Groups).groups
    return [(tuple(_call(call) for call in group.stack), list(map(printable, group.names))) for group in found]


def _call(call: _Call) -> tuple[str, int, str, str]:
    return printable(call.file), call.line, printable(call.function), printable(call.source)


def _together(outcomes: Sequence[Outcome]) -> list[tuple[Stack, dict[str, list[str]]]]:
    """Return each stack with the names of its threads by server, the most common first."""
    found: dict[Stack, dict[str, list[str]]] = {}
    for outcome in outcomes:
        for stack, names in outcome.data if outcome.ok else ():
            found.setdefault(stack, {})[outcome.target.short_name] = names
    return sorted(found.items(), key=lambda item: -sum(map(len, item[1].values())))


def _block(stack: Stack, owners: dict[str, list[str]]) -> str:
    count = sum(map(len, owners.values()))
    lines = [f"{count} thread{'s' * (count > 1)}"]
    lines += [f"  {printable(server)}: {', '.join(names)}" for server, names in owners.items()]
    for file, line, function, source in stack:
        lines += [f'    File "{file}", line {line}, in {function}', f"      {source}"]
    return "\n".join(lines) + "\n"


def _profile(fleet: Fleet, params: dict[str, Any], output: Path | None) -> None:
    if fleet.screen.as_json:
        fleet.show(fleet.each(lambda client: client.json("GET", "/threads", params=params)), dict)
        return
    outcomes = [outcome.map(counts_of) for outcome in fleet.each(lambda client: _ask(client, params))]
    text = folded(outcomes)
    if output is None:
        fleet.screen.text(text.rstrip("\n"))
    else:
        try:
            output.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise click.ClickException(f"Cannot write {output}: {error.strerror}") from error
        fleet.screen.note(f"Wrote {output}.")
    fleet.report_failures(outcomes)


def counts_of(text: str) -> Counter[str]:
    """Read the profile of one server: a count for each stack."""
    return Counter(dict(_lines(text)))


def _lines(text: str) -> Iterator[tuple[str, int]]:
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if not (count.isascii() and count.isdecimal() and len(count) < 10 and ";" in stack):
            raise Failure("/threads answered without a profile, as LMCache's own server does")
        yield printable(stack), int(count)


def folded(outcomes: Sequence[Outcome]) -> str:
    """Return one profile of the counts of all servers."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        first = f"{printable(outcome.target.short_name)};" if len(outcomes) > 1 else ""
        for stack, count in outcome.data.items() if outcome.ok else ():
            counts[first + stack] += count
    return "".join(f"{stack} {count}\n" for stack, count in counts.most_common())
