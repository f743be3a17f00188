"""The threads of the engine's process and what each is doing."""

from __future__ import annotations

import threading
import traceback
from types import FrameType
from typing import Annotated

from flask import Blueprint

from lmcache_internal.api import Meta, operation
from lmcache_internal.frames import current_frames

router = Blueprint("threads", __name__)

_rendering = threading.Lock()


@router.get("/threads")
@operation(doing="list the threads", media="text", cheap=True)
def list_threads(name: Annotated[str, Meta(max_length=256)] | None = None, thread_id: int | None = None) -> str:
    """The stacks of all threads, or of those whose name contains `name` or whose ident is `thread_id`."""
    chosen = [
        thread
        for thread in threading.enumerate()
        if (not name or name.lower() in thread.name.lower()) and (not thread_id or thread.ident == thread_id)
    ]
    # One at a time: the stacks of a busy process take megabytes, and the heap keeps the most there ever was.
    with _rendering:
        frames = current_frames()
        blocks = [_block(thread, frames.get(thread.ident or 0)) for thread in chosen]
    return "\n\n".join(blocks) + f"\n\n=== Thread Summary ===\nTotal threads: {len(chosen)}\n"


def _block(thread: threading.Thread, frame: FrameType | None) -> str:
    if frame is None:
        return f"Thread: {thread}\nNo stack trace available\n"
    return f"Thread: {thread}\nStack trace:\n{''.join(traceback.format_stack(frame))}"
