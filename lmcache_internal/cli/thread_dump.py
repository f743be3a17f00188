"""Read the thread dump of LMCache's own servers, which is text, as groups of identical stacks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

_THREAD = re.compile(r"Thread: <\w+\((.*), (?:initial|started|stopped)(?: daemon)?(?: \d+)?\)>")
_CALL = re.compile(r'  File "(.*)", line (\d{1,9}), in (.*)')

Calls = tuple[tuple[str, int, str, str], ...]


def groups_in(text: str) -> dict[str, Any] | None:
    """Return the threads as `GET /threads?group=true` of our servers does; None if there are none in the text."""
    groups: dict[Calls, list[str]] = {}
    for name, calls in _threads(text.splitlines()):
        groups.setdefault(calls, []).append(name)
    if not groups:
        return None
    fields = ("file", "line", "function", "source")
    return {
        "total": sum(map(len, groups.values())),
        "groups": [
            {"count": len(names), "names": names, "stack": [dict(zip(fields, call, strict=True)) for call in calls]}
            for calls, names in groups.items()
        ],
    }


def _threads(lines: list[str]) -> Iterator[tuple[str, Calls]]:
    """Yield the name and the calls of each thread, the outermost call first."""
    name, calls = "", list[tuple[str, int, str, str]]()
    for number, line in enumerate([*lines, "Thread: "]):
        if line.startswith("Thread: "):
            if name and calls:
                yield name, tuple(calls)
            match = _THREAD.fullmatch(line)
            name, calls = match[1] if match else "", []
        elif call := _CALL.fullmatch(line):
            source = lines[number + 1].strip() if number + 1 < len(lines) else ""
            has_source = source and _CALL.fullmatch(lines[number + 1]) is None
            calls.append((call[1], int(call[2]), call[3], source if has_source else ""))
