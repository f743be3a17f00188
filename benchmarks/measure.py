"""Both servers, in alternation: what troubles the machine for a while troubles both."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from benchmarks.rows import Row
from benchmarks.servers import KINDS, Kind


@dataclass(frozen=True)
class Plan:
    """How thoroughly to measure.

    Attributes:
        rounds: how often.
        seconds: of the shortest measurement; others take a multiple.
        restarts: how often a server is started and stopped.
    """

    rounds: int = 5
    seconds: float = 0.4
    restarts: int = 50


@dataclass(frozen=True)
class Figure:
    """One figure of one server in one round.

    Attributes:
        name: what is measured.
        value: in `unit`.
        unit: see `rows.MORE_IS_BETTER`.
        asked: see `Row`.
    """

    name: str
    value: float
    unit: str
    asked: str = ""


Measuring = Generator[list[Figure], None, None]
"""It yields after each step, and the other server has its turn."""

Measure = Callable[[Kind, Plan], Measuring]
"""What each question has under the name `measure`."""


def alternate(measure: Measure, plan: Plan) -> list[Row]:
    """Measure both servers step by step; the one that was last is first next."""
    rows: dict[str, Row] = {}
    order = list(KINDS)
    with ExitStack() as stack:
        measuring = {kind: stack.enter_context(closing(measure(kind, plan))) for kind in KINDS}
        while steps := {kind: figures for kind in order if (figures := next(measuring[kind], None)) is not None}:
            for kind, figures in steps.items():
                for figure in figures:
                    row = rows.setdefault(figure.name, Row(figure.name, figure.unit, figure.asked))
                    row.values(kind).append(figure.value)
            order.reverse()
    return list(rows.values())
