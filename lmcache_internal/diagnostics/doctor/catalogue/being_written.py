"""A chunk is being written."""

from .. import Trouble

trouble = Trouble(
    code="being-written",
    group="prompt",
    title="A chunk is being written",
    severity="notice",
    meaning="Backends write asynchronously. A chunk is a hit only after its backend has finished writing it.",
    confirm="Ask again after a few seconds: the chunk is then in a backend.",
    next_step="Ask again in a few seconds. If the chunk is still being written then, the backend is too slow or "
    "stuck: see GET /threads.",
)
