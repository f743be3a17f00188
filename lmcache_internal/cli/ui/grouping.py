"""Group what ranks have in common: each value once, with the ranks that have it. 200 ranks differ in a few values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from ..outcome import Outcome
from ..targets import Target

Label = Callable[[Sequence[Target]], str]
"""Returns what the page calls ranks, such as `4 worker 3` or `0,2-4`."""
NAMES = 20
"""How many names of threads are listed for one stack."""


def grouped(outcomes: Sequence[Outcome], label: Label) -> list[dict[str, Any]]:
    """Return each name with its values, the most common first, and the ranks of each value.

    Args:
        outcomes: their data are values by name.
        label: returns what the page calls ranks.
    """
    found: dict[str, dict[str, tuple[Any, list[Target]]]] = {}
    for outcome in outcomes:
        for name, value in outcome.data.items() if outcome.ok else ():
            key = json.dumps(value, sort_keys=True, default=str)
            found.setdefault(name, {}).setdefault(key, (value, []))[1].append(outcome.target)
    return [
        {
            "name": name,
            "values": [
                {"value": value, "ranks": label(targets)}
                for value, targets in sorted(values.values(), key=lambda item: -len(item[1]))
            ],
        }
        for name, values in found.items()
    ]


def failures(outcomes: Sequence[Outcome], label: Label) -> list[dict[str, Any]]:
    """Return each reason with the ranks that failed for it."""
    found: dict[str, list[Target]] = {}
    for outcome in outcomes:
        if not outcome.ok:
            found.setdefault(outcome.error or "", []).append(outcome.target)
    return [{"error": error, "ranks": label(targets)} for error, targets in found.items()]


def grouped_stacks(outcomes: Sequence[Outcome], label: Label) -> list[dict[str, Any]]:
    """Return each stack with the number of its threads, their names and the ranks, the most common first.

    Args:
        outcomes: their data are the stacks with the names of their threads.
        label: returns what the page calls ranks.
    """
    found: dict[Any, tuple[list[Target], list[str]]] = {}
    for outcome in outcomes:
        for stack, names in outcome.data if outcome.ok else ():
            targets, all_names = found.setdefault(stack, ([], []))
            targets.append(outcome.target)
            all_names += names
    return [
        {
            "count": len(names),
            "names": list(dict.fromkeys(names))[:NAMES],
            "ranks": label(targets),
            "stack": stack,
        }
        for stack, (targets, names) in sorted(found.items(), key=lambda item: -len(item[1][1]))
    ]
