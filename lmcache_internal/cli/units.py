"""Numbers as people read them; a dash for what is not known."""

from __future__ import annotations

import math

UNKNOWN = "-"


def percent(share: float | None) -> str:
    """A share of one, in percent."""
    return UNKNOWN if share is None else f"{100 * share:.1f} %"


def size(count: float | None) -> str:
    """A number of bytes, in the unit that suits it."""
    if count is None:
        return UNKNOWN
    if count < 1024:
        return f"{count:.0f} B"
    power = min(3, int(math.log2(count) / 10))
    return f"{count / 1024**power:.1f} {('KiB', 'MiB', 'GiB')[power - 1]}"


def duration(seconds: float | None) -> str:
    """A time span in its two largest units."""
    if seconds is None:
        return UNKNOWN
    whole = int(seconds)
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= length:
            return f"{whole // length}{unit} {whole % length // part}{smaller}"
    return f"{whole}s"


def servers(count: int) -> str:
    """A number of servers."""
    return "1 server" if count == 1 else f"{count} servers"
