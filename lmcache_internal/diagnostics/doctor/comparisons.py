"""Rules that compare a fact between ranks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .ranks import Rank
from .trouble import Finding

LONGEST_VALUE = 100
"""Characters of a value in evidence."""


def differs(path: str, what: str) -> Callable[[Sequence[Rank]], Iterator[Finding]]:
    """Return a rule that yields a finding if a fact is not the same in all ranks.

    Args:
        path: the fact, such as `config.chunk_size`.
        what: the subject of the message, in the plural, such as "chunk sizes".
    """

    def rule(ranks: Sequence[Rank]) -> Iterator[Finding]:
        values = ranks_by_value(ranks, path)
        if len(values) > 1:
            yield Finding(
                message=f"The ranks have {len(values)} different {what}: {listed(values)}.", evidence={path: values}
            )

    return rule


def same(ranks: Sequence[Rank], paths: Sequence[str]) -> list[list[Rank]]:
    """Return the ranks in groups in which these facts are equal."""
    groups: dict[tuple[str, ...], list[Rank]] = {}
    for rank in ranks:
        groups.setdefault(tuple(_text(rank[path]) for path in paths), []).append(rank)
    return list(groups.values())


def ranks_by_value(ranks: Sequence[Rank], path: str) -> dict[str, list[str]]:
    """Return each value of a fact, as text, with the names of the ranks that have it."""
    values: dict[str, list[str]] = {}
    for rank in ranks:
        values.setdefault(_text(rank[path]), []).append(rank.name)
    return values


def listed(values: dict[str, list[str]]) -> str:
    """Return the values with the number of ranks: "256 (3 ranks), 512 (1 rank)"."""
    return ", ".join(f"{value} ({len(names)} rank{'s' * (len(names) != 1)})" for value, names in values.items())


def _text(value: Any) -> str:
    text = "unset" if value is None else str(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
