"""Measure both servers alternately, so that a disturbance of the machine affects both."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from benchmarks.rows import Row
from benchmarks.servers import KINDS, Kind


@dataclass(frozen=True)
class Plan:
    """The extent of the measurements.

    Attributes:
        rounds: the number of rounds.
        seconds: the duration of the shortest measurement; others take a multiple.
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
        value: the value in `unit`.
        unit: see `rows.MORE_IS_BETTER`.
        asked: see `Row`.
    """

    name: str
    value: float
    unit: str
    asked: str = ""


Measuring = Generator[list[Figure], None, None]
"""It yields after each step, and then the other server is measured."""

Measure = Callable[[Kind, Plan], Measuring]
"""The function `measure` of each question."""


def alternate(measure: Measure, plan: Plan) -> list[Row]:
    """Measure both servers step by step; the one that was last in a step is first in the next."""
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
