"""Stacks as data and as text; each place in the code is looked up once."""

from __future__ import annotations

import linecache
import traceback
from functools import lru_cache
from types import FrameType

from msgspec import Struct

Place = tuple[str, int | None, str]
"""File, line and function of a call."""


class Frame(Struct, frozen=True):
    """One call of a stack.

    Attributes:
        file: where the function is defined.
        line: the number of the current line.
        function: the function's name.
        source: that line without indentation, as it was in the file at the first look-up, because an upgrade may have
            changed the file since; empty if the file cannot be read.
    """

    file: str
    line: int | None
    function: str
    source: str


def places_of(frame: FrameType | None) -> list[Place]:
    """Return the places of the calls of a stack, innermost first, without references to its frames."""
    places: list[Place] = []
    while frame is not None:
        file = frame.f_code.co_filename
        if file not in linecache.cache and not file.startswith("<"):
            linecache.lazycache(file, frame.f_globals)  # The loader of a module in a zip file provides the source.
        places.append((file, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return places


@lru_cache(maxsize=4096)
def frame_at(file: str, line: int | None, function: str) -> Frame:
    """Return the call at a place, with its source."""
    return Frame(file, line, function, linecache.getline(file, line or 0).strip())


@lru_cache(maxsize=512)
def text_of(stack: tuple[Frame, ...]) -> str:
    """Return a stack in the format of Python's tracebacks."""
    calls = [traceback.FrameSummary(call.file, call.line, call.function, line=call.source) for call in stack]
    return "".join(traceback.StackSummary.from_list(calls).format())
