"""Print explanations for people: a bar for the ranks that have the same, the reasons, and the next steps."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ..fleet import Fleet
from ..next_steps import completed
from ..outcome import Outcome
from ..output import is_terminal
from ..targets import Target, ranks
from ..text import one_line, printable
from ..units import percent
from .bar import PARTS, Part, Segments, cells, segments_of
from .explanation import Reason

if TYPE_CHECKING:
    from rich.text import Text

_WIDTH = 60
_OTHER_COLUMNS = 50
"""The width of the columns beside the bar."""
_LONGEST_EVIDENCE = 300


def print_explanations(fleet: Fleet, tokens: Sequence[int], outcomes: Sequence[Outcome]) -> None:
    """Print what the servers that answered have of the prompt."""
    found = [outcome for outcome in outcomes if outcome.ok]
    with_storage = [outcome for outcome in found if outcome.data.hit_tokens is not None]
    if with_storage:
        fancy = is_terminal(sys.stdout) and _prints_blocks()
        drawn = _bars(fleet, len(tokens), with_storage, fancy)
        fleet.screen.text(_legend(drawn, fancy))
        fleet.screen.text("\n".join(_summary(len(tokens), with_storage)))
    for number, (reason, targets) in enumerate(_grouped(found, _reasons)):
        fleet.screen.text("\n".join(_reason_lines(fleet, number, reason, targets)))
    # A scheduler has no storage; its keys have been compared with those of the workers.
    examined = [outcome for outcome in found if outcome.target.index != 0] or found
    for text, targets in _grouped(examined, lambda outcome: [(each, each) for each in outcome.data.not_checked]):
        fleet.screen.text(f"Not checked (ranks {_who(fleet, targets)}): {_line(text)}")


def _prints_blocks() -> bool:
    try:
        "".join(part.block for part in PARTS).encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _bars(fleet: Fleet, tokens: int, found: Sequence[Outcome], fancy: bool) -> set[Part]:
    """Print a bar for each set of ranks that have the same; returns the parts that are drawn."""
    width = min(_WIDTH, max(10, fleet.screen.console().width - _OTHER_COLUMNS))
    same: dict[tuple[Segments, int, int, int], list[Target]] = {}
    for outcome in found:
        data = outcome.data
        counts = (data.hit_tokens, data.missing_tokens, data.remainder_tokens)
        same.setdefault((segments_of(data, tokens), *counts), []).append(outcome.target)
    rows: list[list[object]] = []
    drawn: set[Part] = set()
    for (segments, hit, missing, remainder), targets in same.items():
        parts = cells(segments, tokens, width)
        drawn.update(parts)
        rows.append([_who(fleet, targets), _drawn(fleet, parts, fancy), hit, missing, remainder])
    fleet.screen.show(fleet.screen.table(["ranks", "prompt", "hit", "missing", "remainder"], rows))
    return drawn


def _drawn(fleet: Fleet, parts: Sequence[Part], fancy: bool) -> Text:
    text = fleet.screen.styled("[")
    for part, run in groupby(parts):
        count = len(list(run))
        text.append_text(fleet.screen.styled((part.block if fancy else part.ascii) * count, part.style))
    return text.append("]")


def _legend(drawn: set[Part], fancy: bool) -> str:
    return "   ".join(f"{part.block if fancy else part.ascii} {part.name}" for part in PARTS if part in drawn)


def _summary(tokens: int, found: Sequence[Outcome]) -> Iterator[str]:
    """Yield the sentence about the engine: all its ranks need a chunk, so the shortest prefix counts."""
    least = min(found, key=lambda outcome: outcome.data.hit_tokens).data
    share = percent(least.hit_tokens / tokens)
    rest = [
        f"{count} {what}"
        for count, what in (
            (least.missing_tokens, "are missing"),
            (least.remainder_tokens, f"do not fill a chunk of {least.chunk_size} tokens"),
        )
        if count
    ]
    yield ""
    yield f"A retrieve hits {least.hit_tokens} of {tokens} tokens ({share}){'; ' if rest else ''}{', '.join(rest)}."
    if not least.missing_tokens and least.hit_tokens:
        yield "All full chunks of the prompt are cached."


def _reasons(outcome: Outcome) -> list[tuple[str, Reason]]:
    return [(json.dumps([reason.code, reason.message]), reason) for reason in outcome.data.reasons]


def _grouped(found: Sequence[Outcome], of: Any) -> Iterator[tuple[Any, list[Target]]]:
    """Yield each item once, with the ranks that have it."""
    items: dict[str, Any] = {}
    targets: dict[str, list[Target]] = {}
    for outcome in found:
        for key, item in of(outcome):
            items.setdefault(key, item)
            targets.setdefault(key, []).append(outcome.target)
    yield from ((item, targets[key]) for key, item in items.items())


def _who(fleet: Fleet, targets: Sequence[Target]) -> str:
    return ranks(list(dict.fromkeys(targets)), fleet.targets)


def _reason_lines(fleet: Fleet, number: int, reason: Reason, targets: Sequence[Target]) -> Iterator[str]:
    yield ""
    yield f"{'Reason' if number == 0 else 'Also'}: {_line(reason.message)}"
    yield f"  ranks: {_who(fleet, targets)}   code: {_line(reason.code)}"
    if reason.evidence:
        yield f"  evidence: {one_line(json.dumps(reason.evidence), _LONGEST_EVIDENCE)}"
    if reason.next_step:
        yield f"  next step: {_line(completed(reason.next_step, fleet, targets, reason.evidence))}"


def _line(text: str) -> str:
    """Return a server's text on one line."""
    return printable(one_line(text))
