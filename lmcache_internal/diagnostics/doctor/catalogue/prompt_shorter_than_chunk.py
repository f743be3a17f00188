"""The prompt is shorter than a chunk."""

from .. import Trouble

trouble = Trouble(
    code="prompt-shorter-than-chunk",
    group="prompt",
    title="The prompt is shorter than a chunk",
    severity="notice",
    meaning="Only whole chunks are stored and looked up. A prompt with fewer tokens than chunk_size is never "
    "cached, unless save_unfull_chunk is true.",
    confirm="Compare the number of tokens, after tokenization and the chat template, with chunk_size in `GET /conf`.",
    next_step="Use a smaller chunk_size or save_unfull_chunk: true for all ranks, and restart them.",
    reference="LMCache #4094",
)
