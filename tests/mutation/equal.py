"""Mutants that do what the code does, or as well: no test can tell them from it, so they are not tried."""

from __future__ import annotations

# File, line before, line after; why they are equal.
EQUAL: dict[tuple[str, str, str], str] = {}
