"""Thread dumps and CPU profiles of the engine's process."""

import functools
from collections.abc import Callable
from threading import Thread
from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import BadRequest, Busy, Meta, internal_app, operation
from lmcache_internal.diagnostics.profiler import Profile, profile
from lmcache_internal.diagnostics.threads import Groups, Threads, find_threads, grouped, states_of

router = Blueprint("threads", __name__)
engines = ("in-process", "mp")

_INTERVAL = 0.01
_LONGEST_SECONDS = 30

Samples = Annotated[int, Meta(ge=1, le=1000)]
Interval = Annotated[float, Meta(ge=0.001, le=1)]


@router.get("/threads")
@operation(action="list the threads", as_text=str, cheap=True, errors=(Busy,))
def list_threads(
    name: Annotated[str, Meta(max_length=256)] | None = None,
    thread_id: int | None = None,
    group: bool = False,
    samples: Samples | None = None,
    interval: Interval | None = None,
) -> Threads | Groups | Profile:
    """Show a thread dump or a sampling profile.

    `name` (a part of the name) and `thread_id` select threads. With `group`, threads with the same stack are listed
    together. With `samples`, the stacks are sampled that many times, every `interval` seconds (0.01), and counted;
    as text, they are folded for flame graphs.
    """
    find = functools.partial(find_threads, name, thread_id)
    if samples is not None:
        return _profile(find, samples, _INTERVAL if interval is None else interval, group)
    if interval is not None:
        raise _contradiction("interval is the time between samples; it requires samples")
    return grouped(states_of(find())) if group else states_of(find())


def _profile(find: Callable[[], list[Thread]], samples: int, interval: float, group: bool) -> Profile:
    if group:
        raise _contradiction("samples are always grouped by stack; omit group")
    seconds = samples * interval
    if seconds > _LONGEST_SECONDS:
        raise _contradiction(
            f"{samples} samples at intervals of {interval:g} s take {seconds:g} s; the limit is {_LONGEST_SECONDS} s"
        )
    with internal_app().limits["long"].hold("profile the threads"):
        return profile(find, samples, interval)


def _contradiction(message: str) -> BadRequest:
    return BadRequest(message, title="Invalid parameter")
