"""The last tokens do not fill a chunk."""

from .. import Trouble

trouble = Trouble(
    code="remainder-not-stored",
    group="prompt",
    title="The last tokens do not fill a chunk",
    severity="notice",
    meaning="Only whole chunks are stored and looked up. The tokens after the last whole chunk are computed "
    "for each request, unless save_unfull_chunk is true.",
    confirm="`remainder_tokens` in the response is less than `chunk_size`.",
    next_step="Nothing is wrong. A smaller chunk_size leaves fewer tokens, and needs more lookups.",
)
