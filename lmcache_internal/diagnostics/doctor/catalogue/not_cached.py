"""A chunk is in no backend."""

from .. import Trouble

trouble = Trouble(
    code="not-cached",
    group="prompt",
    title="A chunk is in no backend",
    severity="notice",
    meaning="The chunk was never stored with this key, or it was evicted or removed. LMCache keeps no record "
    "of removed chunks, so that these cases can be distinguished only if the prompt was explained "
    "before, see removed.",
    confirm="Send the prompt once, and ask again. If it is a hit then, it was not stored before, or was removed.",
    next_step="Send the prompt once, and ask again. If it still misses, compare `chunk_hash` of the scheduler "
    "and the workers: with different hashes, see chunk-hashes-differ.",
)
