"""Format numbers for people; a dash is an unknown value."""

from __future__ import annotations

UNKNOWN = "-"

_LONGEST = 100 * 366 * 86400
"""A time span above a century is an error of its source."""


def percent(share: float | None) -> str:
    """Format a share of one as a percentage. What is not quite nothing or not quite all is shown as such."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def size(count: float | None) -> str:
    """Format a number of bytes in the largest fitting unit."""
    if count is None:
        return UNKNOWN
    if count < 1024:
        return f"{count:.0f} B"
    for unit in ("KiB", "MiB", "GiB", "TiB"):
        count /= 1024
        if count < 1024:
            return f"{count:.1f} {unit}"
    return f"{count:.4g} TiB"


def duration(seconds: float | None) -> str:
    """Format a time span in its two largest units."""
    if seconds is None or not 0 <= seconds < _LONGEST:
        return UNKNOWN
    whole = int(seconds)
    for unit, length, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= length:
            return f"{whole // length}{unit} {whole % length // part}{smaller}"
    return f"{whole}s"


def servers(count: int) -> str:
    """Format a number of servers."""
    return "1 server" if count == 1 else f"{count} servers"
