"""The results as a bar chart: a pair of bars for each figure that has a target."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from benchmarks.results import Result
from benchmarks.rows import Row, Spread
from benchmarks.table import number

WIDTH = 960
LEFT = 430
LONGEST = 400
BAR = 11
ROW = 34
HEADING = 40

COLORS = {"lmcache": "#9aa5b1", "ours": "#0b6bcb"}
NAMES = {"lmcache": "LMCache's own server", "ours": "lmcache-internal"}


def as_svg(results: list[Result]) -> str:
    """Return the bar chart as SVG; the longer bar of each pair has the full length."""
    shapes: list[str] = []
    top = 30
    for result in results:
        shown = [row for row in result.rows if row.asked and row.ours and row.lmcache]
        if not shown:
            continue
        shapes.append(_text(10, top + 22, result.question.replace("_", " "), "font-weight='bold'"))
        top += HEADING
        for row in shown:
            shapes += _pair(row, top)
            top += ROW
    head = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {top + 10}' "
        "font-family='sans-serif' font-size='13' fill='#1f2933'>"
    )
    return "\n".join([head, "<rect width='100%' height='100%' fill='white'/>", *_legend(), *shapes, "</svg>", ""])


def _legend() -> Iterator[str]:
    for place, (kind, color) in enumerate(COLORS.items()):
        left = LEFT + 170 * place
        yield _bar(left, 12, BAR, color)
        yield _text(left + 18, 22, NAMES[kind])


def _pair(row: Row, top: int) -> Iterator[str]:
    medians = {kind: Spread.of(row.values(kind)) for kind in ("lmcache", "ours")}
    longest = max(spread.median for spread in medians.values() if spread) or 1
    yield _text(LEFT - 10, top + 16, f"{row.name}, {row.unit}", "text-anchor='end'")
    for place, (kind, spread) in enumerate(medians.items()):
        value = max(0.0, spread.median) if spread else 0.0
        length = max(1, round(LONGEST * value / longest))
        yield _bar(LEFT, top + (BAR + 2) * place, length, COLORS[kind])
        yield _text(LEFT + length + 6, top + (BAR + 2) * place + BAR - 1, number(value), "font-size='11'")


def _bar(left: int, top: int, length: int, color: str) -> str:
    return f"<rect x='{left}' y='{top}' width='{length}' height='{BAR}' fill='{color}'/>"


def _text(left: int, bottom: int, text: str, style: str = "") -> str:
    return f"<text x='{left}' y='{bottom}' {style}>{escape(text)}</text>"
