"""The threads of the process and their stacks: each for itself, or those that do the same together."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import starmap

from msgspec import Struct

from ..system.thread_frames import current_frames
from .stacks import Frame, Place, frame_at, places_of, text_of

_THREADS_CPU_CLOCK = 0b110  # CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED, see Linux' posix-timers.


class ThreadState(Struct, frozen=True):
    """A thread and what it is doing.

    Attributes:
        repr: Python's representation of it, with its class and state.
        ident: Python's number for it; None while it still starts.
        native_id: the kernel's, as top -H and py-spy show it.
        cpu_seconds: processor time it has used; None where it has just ended.
        stack: outermost call first; empty where it has just started or ended.
    """

    name: str
    repr: str
    ident: int | None
    native_id: int | None
    daemon: bool
    cpu_seconds: float | None
    stack: tuple[Frame, ...]

    def __str__(self) -> str:
        return f"Thread: {self.repr}\n{_text_of(self.stack)}"


class Threads(Struct, frozen=True):
    """All the threads that were asked for."""

    total: int
    threads: list[ThreadState]

    def __str__(self) -> str:
        return _with_summary(self.threads, f"Total threads: {self.total}")


class Group(Struct, frozen=True):
    """The threads that have the same stack."""

    count: int
    names: list[str]
    stack: tuple[Frame, ...]

    def __str__(self) -> str:
        return f"{self.count} thread{'s' * (self.count > 1)}: {', '.join(self.names)}\n{_text_of(self.stack)}"


class Groups(Struct, frozen=True):
    """All the threads that were asked for, by their stacks; the largest group first."""

    total: int
    groups: list[Group]

    def __str__(self) -> str:
        return _with_summary(self.groups, f"Total threads: {self.total}\nDifferent stacks: {len(self.groups)}")


def find_threads(name: str | None = None, ident: int | None = None) -> list[threading.Thread]:
    """The living threads whose name contains `name` in any case, and whose ident is `ident`; all without either."""
    return [
        thread
        for thread in threading.enumerate()
        if (not name or name.lower() in thread.name.lower()) and (not ident or thread.ident == ident)
    ]


def states_of(threads: list[threading.Thread]) -> Threads:
    """What each of `threads` is doing now."""
    with current_frames() as frames:
        stacks = [places_of(frames.get(thread.ident or 0)) for thread in threads]
    return Threads(len(threads), list(map(_state, threads, stacks)))


def grouped(found: Threads) -> Groups:
    """The same threads, those with identical stacks together."""
    together: dict[tuple[Frame, ...], list[str]] = defaultdict(list)
    for thread in found.threads:
        together[thread.stack].append(thread.name)
    groups = [Group(len(names), sorted(names), stack) for stack, names in together.items()]
    return Groups(found.total, sorted(groups, key=lambda group: (-group.count, group.names)))


def _state(thread: threading.Thread, places: list[Place]) -> ThreadState:
    return ThreadState(
        name=thread.name,
        repr=repr(thread),
        ident=thread.ident,
        native_id=thread.native_id,
        daemon=thread.daemon,
        cpu_seconds=_cpu_seconds(thread.native_id),
        stack=tuple(starmap(frame_at, reversed(places))),
    )


def _cpu_seconds(native_id: int | None) -> float | None:
    # The number of the thread's clock, as pthread_getcpuclockid(3) makes it, which may crash with a thread that has
    # ended; and unlike reading /proc, asking a clock does not hand the interpreter's lock over for each thread.
    try:
        return time.clock_gettime((~native_id << 3) | _THREADS_CPU_CLOCK) if native_id else None
    except OSError:
        return None


def _text_of(stack: tuple[Frame, ...]) -> str:
    return f"Stack trace:\n{text_of(stack)}" if stack else "No stack trace available\n"


def _with_summary(blocks: Iterable[object], summary: str) -> str:
    return "\n\n".join(map(str, blocks)) + f"\n\n=== Thread Summary ===\n{summary}\n"
