"""Draw a prompt as a bar: which of its tokens hit, and which do not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

from .explanation import Explanation


class Part(NamedTuple):
    """How a kind of tokens is drawn.

    Attributes:
        name: the name in the legend.
        ascii: the character without Unicode.
        block: the character on a terminal.
        style: the style on a terminal.
        weight: which part is drawn if several share a cell; the largest.
    """

    name: str
    ascii: str
    block: str
    style: str
    weight: int


HIT = Part("hit", "#", "█", "green", 1)
UNREACHABLE = Part("cached after a missing chunk", "+", "▒", "yellow", 2)
REMAINDER = Part("remainder", ".", "·", "dim", 3)
MISSING = Part("missing", "-", "░", "red", 4)
PARTS = (HIT, UNREACHABLE, MISSING, REMAINDER)

Segments = tuple[tuple[int, Part], ...]
"""The end of each segment in tokens, and what it is."""


def segments_of(found: Explanation, tokens: int) -> Segments:
    """Return the segments of a prompt of `tokens` tokens, neighbors of the same kind as one."""
    pieces = [*_pieces(found, tokens), (tokens, REMAINDER)]
    merged = [(max(end for end, _ in run), part) for part, run in groupby(pieces, lambda piece: piece[1])]
    starts = [0, *(end for end, _ in merged[:-1])]
    return tuple(each for each, start in zip(merged, starts, strict=True) if each[0] > start)


def _pieces(found: Explanation, tokens: int) -> Iterator[tuple[int, Part]]:
    reached = 0
    for chunk in found.chunks:
        # A server may send anything: the segments are inside the prompt, and in order.
        end = min(max(reached, chunk.end), tokens)
        if chunk.end <= (found.hit_tokens or 0):
            yield end, HIT
        else:
            yield end, UNREACHABLE if chunk.hit or chunk.backends else MISSING
        reached = end


def cells(segments: Segments, tokens: int, width: int) -> list[Part]:
    """Return the part to draw in each of `width` cells; small parts are not lost beside large ones."""
    drawn = [HIT] * width
    start = 0
    for end, part in segments:
        for cell in range(start * width // tokens, -(-end * width // tokens)):
            drawn[cell] = max(drawn[cell], part, key=lambda each: each.weight)
        start = end
    return drawn
