"""What stands in a stack, as data and as text: looked up once for each place in the code."""

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
        line: the number of the line that is being executed.
        function: the function's name.
        source: that line, without indentation, as the file had it when it was first looked up, which is nearer
            to what runs than what an upgrade has put there since; empty where the file cannot be read.
    """

    file: str
    line: int | None
    function: str
    source: str


def places_of(frame: FrameType | None) -> list[Place]:
    """Where the calls of a stack are, innermost first; nothing refers to its frames afterwards."""
    places: list[Place] = []
    while frame is not None:
        file = frame.f_code.co_filename
        if file not in linecache.cache and not file.startswith("<"):
            linecache.lazycache(file, frame.f_globals)  # Of a module from a zip file, its loader has the source.
        places.append((file, frame.f_lineno, frame.f_code.co_name))
        frame = frame.f_back
    return places


@lru_cache(maxsize=4096)
def frame_at(file: str, line: int | None, function: str) -> Frame:
    """The call at a place, with its source."""
    return Frame(file, line, function, linecache.getline(file, line or 0).strip())


@lru_cache(maxsize=512)
def text_of(stack: tuple[Frame, ...]) -> str:
    """A stack as Python's tracebacks write it."""
    calls = [traceback.FrameSummary(call.file, call.line, call.function, line=call.source) for call in stack]
    return "".join(traceback.StackSummary.from_list(calls).format())
