"""Checks whether processes are running; zombies count as ended."""

from __future__ import annotations

from pathlib import Path


def lives(process: int) -> bool:
    """Whether a process is running."""
    return _group_of(Path(f"/proc/{process}")) is not None


def is_anybody_in(group: int) -> bool:
    """Whether a process group has a running member."""
    return any(_group_of(entry) == group for entry in Path("/proc").glob("[0-9]*"))


def _group_of(entry: Path) -> int | None:
    try:
        state, _, group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else int(group)
