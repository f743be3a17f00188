"""The questions. Each is a module with a function `measure`; its docstring is the title."""

from __future__ import annotations

import importlib
from typing import cast

from benchmarks.measure import Measure

QUESTIONS = (
    "throughput",
    "new_connections",
    "idle_connections",
    "slow_neighbors",
    "mixed",
    "pipelining",
    "floods",
    "spinning_engine",
    "full_load",
    "dashboard",
    "exposition",
    "startup",
    "idle",
    "stopping",
    "mp_slow_neighbors",
    "mp_scrapes",
    "mp_startup",
)


def load(question: str) -> tuple[str, Measure]:
    """Return the title of a question, and its function `measure`."""
    module = importlib.import_module(f"benchmarks.{question}")
    return str(module.__doc__).partition("\n")[0], cast(Measure, module.measure)
