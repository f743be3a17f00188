"""Sizes in GiB, LMCache's unit: parse a text with a unit, and the largest possible sizes."""

from __future__ import annotations

import os
import re

_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*(?:([KMGTPE])(I?)B?|B)", re.IGNORECASE)
_POWERS = {prefix: power for power, prefix in enumerate("KMGTPE", 1)}

LARGEST_FILE_SYSTEM = float(1 << 33)
"""8 EiB, in GiB: no file offset on Linux is larger."""
MACHINE_MEMORY = LARGEST_FILE_SYSTEM
"""The memory of this machine, in GiB; no real limit on Windows, where only the command line runs."""
if hasattr(os, "sysconf"):
    MACHINE_MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def parse_gib(text: str) -> float | str:
    """Parse a size: `5GB` is 5 * 10**9 bytes, `5GiB` (or `5Gi`) is 5 * 2**30 bytes.

    Returns:
        GiB; a text without a unit is returned unchanged.

    Raises:
        ValueError: the unit is unknown.
    """
    text = text.strip()
    if not text[-1:].isalpha() or text.lower().endswith(("nan", "inf", "infinity")):
        return text
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError("expected a number of GiB, or a size such as 500MB, 5GB or 10GiB")
    number, prefix, binary = found.groups()
    base = 1024 if binary else 1000
    return float(float(number) * base ** _POWERS.get((prefix or "").upper(), 0) / (1 << 30))
