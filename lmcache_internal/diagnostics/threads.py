"""The threads of the process and their stacks, separately or grouped by equal stacks."""

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
    """The state of a thread.

    Attributes:
        repr: Python's representation, with class and state.
        ident: Python's thread identifier; None while the thread starts.
        native_id: the kernel's identifier, as top -H and py-spy show it.
        cpu_seconds: CPU time used; None if the thread has just ended.
        stack: outermost call first; empty if the thread has just started or ended.
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
    """The selected threads."""

    total: int
    threads: list[ThreadState]

    def __str__(self) -> str:
        return _with_summary(self.threads, f"Total threads: {self.total}")


class Group(Struct, frozen=True):
    """The threads with the same stack."""

    count: int
    names: list[str]
    stack: tuple[Frame, ...]

    def __str__(self) -> str:
        return f"{self.count} thread{'s' * (self.count > 1)}: {', '.join(self.names)}\n{_text_of(self.stack)}"


class Groups(Struct, frozen=True):
    """The selected threads grouped by stack, largest group first."""

    total: int
    groups: list[Group]

    def __str__(self) -> str:
        return _with_summary(self.groups, f"Total threads: {self.total}\nDifferent stacks: {len(self.groups)}")


def find_threads(name: str | None = None, ident: int | None = None) -> list[threading.Thread]:
    """Return the running threads with `name` in their name (case-insensitive) and this `ident`; all without filters."""
    return [
        thread
        for thread in threading.enumerate()
        if (not name or name.lower() in thread.name.lower()) and (not ident or thread.ident == ident)
    ]


def states_of(threads: list[threading.Thread]) -> Threads:
    """Return the current state of each thread."""
    with current_frames() as frames:
        stacks = [places_of(frames.get(thread.ident or 0)) for thread in threads]
    return Threads(len(threads), list(map(_state, threads, stacks)))


def grouped(found: Threads) -> Groups:
    """Return the same threads, grouped by equal stacks."""
    names_by_stack: dict[tuple[Frame, ...], list[str]] = defaultdict(list)
    for thread in found.threads:
        names_by_stack[thread.stack].append(thread.name)
    groups = [Group(len(names), sorted(names), stack) for stack, names in names_by_stack.items()]
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
    # The identifier of the thread's clock is computed as in pthread_getcpuclockid(3), which may crash for a thread that
    # has ended. Reading a clock does not release the GIL for each thread, unlike reading /proc.
    try:
        return time.clock_gettime((~native_id << 3) | _THREADS_CPU_CLOCK) if native_id else None
    except OSError:
        return None


def _text_of(stack: tuple[Frame, ...]) -> str:
    return f"Stack trace:\n{text_of(stack)}" if stack else "No stack trace available\n"


def _with_summary(blocks: Iterable[object], summary: str) -> str:
    return "\n\n".join(map(str, blocks)) + f"\n\n=== Thread Summary ===\n{summary}\n"
