"""A chunk was removed."""

from .. import Trouble

trouble = Trouble(
    code="removed",
    group="prompt",
    title="A chunk was removed",
    severity="notice",
    meaning="The chunk was in a backend when a prompt with it was explained before, and is in no backend now. "
    "It was evicted, cleared, or lost with its backend. The server remembers the last 16,384 cached "
    "chunks that it explained, until it restarts.",
    confirm="`evidence` has the time and the backends. `GET /audit` shows whether a client cleared the cache "
    "or changed a backend since then.",
    next_step="If that was not on purpose, compare the sizes of the backends with the working set: GET /metrics has "
    "their usage and the evictions.",
)
