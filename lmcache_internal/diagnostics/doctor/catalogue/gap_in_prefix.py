"""A chunk before cached chunks is missing."""

from .. import Trouble

trouble = Trouble(
    code="gap-in-prefix",
    group="prompt",
    title="A chunk before cached chunks is missing",
    severity="warning",
    meaning="A hit ends at the first missing chunk, so the cached chunks after it cannot be used. The missing "
    "chunk was evicted or removed, or there was no room for it. LMCache may evict the beginning of a "
    "prompt before its end if the prompt was stored in several steps.",
    confirm="`backends` is empty for a chunk, and not for a later chunk of the same prompt.",
    next_step="Compare the sizes of the backends with the working set: GET /metrics has their usage and the evictions.",
    reference="LMCache #1116, LMCache #4867",
)
